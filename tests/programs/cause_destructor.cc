/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The third: a base class without a virtual destructor. What only Derived knows is never destroyed.
 */
#include <string>

#include "findings.h"

struct Base {
	virtual int answer()
	{
		return 0;
	}
	~Base()
	{
	}
};

struct Derived : Base {
	std::string text = std::string(200, 'x');

	int answer() override
	{
		return text.size();
	}
};

PLAINNAME Base *make_derived()
{
	return new Derived;
}

PLAINNAME void destroy(Base *b)
{
	delete b;
}

int main()
{
	Base *b = make_derived();
	int answer = b->answer();

	destroy(b);
	finding("sized_delete", 1, sizeof(Derived), "new", "make_derived", "delete", "destroy",
		sizeof(Base));
	return answer != 200;
}
