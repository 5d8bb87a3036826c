/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fourth: two objects that hold each other by std::shared_ptr. */
#include <memory>

#include "findings.h"

struct Child;

struct Parent {
	std::shared_ptr<Child> child;
};

struct Child {
	std::shared_ptr<Parent> parent;
};

PLAINNAME void make_pair()
{
	auto parent = std::make_shared<Parent>();

	parent->child = std::make_shared<Child>();
	parent->child->parent = parent;
}

/* What the calls before have left on the stack and in registers points to nothing any more. */
NOIPA static void forget_pointers()
{
	char room[4096];

	__builtin_memset(room, 0, sizeof(room));
	__asm__ volatile("" ::"r"(room) : "memory");
}

int main()
{
	for (int i = 0; i < 4; i++)
		make_pair();
	forget_pointers();
	return 0;
}
