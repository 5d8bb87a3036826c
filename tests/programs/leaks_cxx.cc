// SPDX-License-Identifier: GPL-2.0-or-later
/* leaks_cxx CASE: as leaks, for what C++ programs leave behind. */
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#define NOIPA __attribute__((noipa))

static void *volatile keep, *volatile keep2, *volatile keep3;

NOIPA static void scrub()
{
	char rubbish[16384];

	memset(rubbish, 0, sizeof(rubbish));
	__asm__ volatile("" ::"r"(rubbish) : "memory");
}

struct Left {
	virtual ~Left() {}
	long l = 1;
};

struct Right {
	virtual ~Right() {}
	long r = 2;
};

struct Both : Left, Right {
	long b = 3;
};

NOIPA static void bases()
{
	keep = static_cast<Right *>(new Both);
	keep2 = static_cast<Left *>(new Both);
	new Both;
	keep3 = (char *)new Both + 8;
}

struct Item {
	~Item() { keep = nullptr; }
	long value[3] = {};
};

NOIPA static void array()
{
	keep = new Item[7];
	new Item[3];
	keep2 = new Item[5] + 1;
}

/* The string of the old ABI, as it lies in memory. */
NOIPA static void text()
{
	auto *rep = static_cast<unsigned long *>(operator new(3 * 8 + 20 + 1));

	rep[0] = 11;
	rep[1] = 20;
	rep[2] = 0;
	keep = rep + 3;
	rep = static_cast<unsigned long *>(operator new(3 * 8 + 20 + 1));
	rep[0] = 21; /* longer than there is room */
	rep[1] = 20;
	keep2 = rep + 3;
}

namespace app {
struct Session {
	virtual ~Session() {}
	std::string name = "a name that is too long for the object itself";
	std::vector<int> numbers = std::vector<int>(100);
};
struct Child;
struct Parent {
	virtual ~Parent() {}
	std::shared_ptr<Child> child;
};
struct Child {
	virtual ~Child() {}
	std::shared_ptr<Parent> parent;
};
} // namespace app

NOIPA static void session()
{
	new app::Session;
	keep = new app::Session;
}

NOIPA static void shared()
{
	auto parent = std::make_shared<app::Parent>();

	parent->child = std::make_shared<app::Child>();
	parent->child->parent = parent;
}

NOIPA static void shared_new()
{
	std::shared_ptr<app::Parent> parent(new app::Parent);

	parent->child = std::shared_ptr<app::Child>(new app::Child);
	parent->child->parent = parent;
}

/* A tree's nodes point to each other too, and have nothing to do with the other cycle. */
NOIPA static void tree()
{
	auto *lost = new std::map<int, int>;

	(*lost)[1] = 2;
}

NOIPA static void two_cycles()
{
	shared_new();
	tree();
}

NOIPA static void containers()
{
	auto *lost = new std::map<int, std::string>;
	auto *kept = new std::list<std::string>;

	for (int i = 0; i < 50; i++) {
		(*lost)[i] = std::string(40, 'x');
		kept->push_back(std::string(40, 'y'));
	}
	keep = kept;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)();
	} cases[] = {
		{"bases", bases},	{"array", array},	    {"text", text},
		{"session", session},	{"shared", shared},	    {"shared_new", shared_new},
		{"containers", containers}, {"two_cycles", two_cycles},
	};

	for (auto &c : cases) {
		if (argc < 2 || strcmp(c.name, argv[1]))
			continue;
		c.run();
		scrub();
		return 0;
	}
	return 2;
}
