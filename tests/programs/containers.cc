/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Containers that are never destroyed: their blocks are charged to whoever filled them. An allocator
 * counts with them.
 */
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "expect.h"

static const char *filling;

template <class T> struct counting {
	using value_type = T;
	counting() = default;
	template <class U> counting(const counting<U> &)
	{
	}
	T *allocate(size_t n)
	{
		void *p = ::operator new(n * sizeof(T));

		expect_add(p, n * sizeof(T), "new", filling, true);
		return (T *)p;
	}
	void deallocate(T *p, size_t n)
	{
		expect_del(p);
		::operator delete(p, n * sizeof(T));
	}
	template <class U> bool operator==(const counting<U> &) const
	{
		return true;
	}
	template <class U> bool operator!=(const counting<U> &) const
	{
		return false;
	}
};

using text = std::basic_string<char, std::char_traits<char>, counting<char>>;
using table = std::map<int, text, std::less<int>, counting<std::pair<const int, text>>>;
using numbers = std::vector<long, counting<long>>;
using names = std::list<text, counting<text>>;

/* Never destroyed. */
template <class T> static T &forever()
{
	alignas(T) static char room[sizeof(T)];

	return *new (room) T();
}

NOIPA static void leak_map()
{
	table &t = forever<table>();

	filling = __func__;
	for (int i = 0; i < 300; i++)
		t[i] = "a string too long for the short form, surely so";
	for (int i = 0; i < 300; i += 3)
		t.erase(i);
}

NOIPA static void leak_vector()
{
	numbers &v = forever<numbers>();

	filling = __func__;
	for (int i = 0; i < 1000; i++)
		v.push_back(i);
}

NOIPA static void leak_list()
{
	names &l = forever<names>();

	filling = __func__;
	for (int i = 0; i < 50; i++)
		l.emplace_back(i + 1, 'x');
}

NOIPA static void leak_shared()
{
	using shared = std::shared_ptr<text>;
	shared &s = forever<shared>();

	filling = __func__;
	s = std::allocate_shared<text>(counting<text>(), 100, 'y');
	shared copy = s;
}

NOIPA static void no_leak()
{
	filling = __func__;
	table t;
	numbers v(100);

	for (int i = 0; i < 20; i++)
		t[i] = text(200, 'z');
}

int main()
{
	leak_map();
	leak_vector();
	leak_list();
	leak_shared();
	no_leak();
	return expect_done(0);
}
