/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory runs out in the middle of small allocations: a limit on the address space. operator new
 * throws from deep inside of its allocator, and the program goes on.
 */
#include <new>
#include <sys/resource.h>

#include "expect.h"

struct node {
	node *next;
	char room[4000];
};

static node *list;

NOIPA static int fill_up()
{
	int n = 0;

	try {
		for (; n < 1000000; n++) {
			node *fresh = new node;

			fresh->next = list;
			list = fresh;
		}
	} catch (const std::bad_alloc &) {
		return n;
	}
	return -1;
}

NOIPA static void leak_after()
{
	expect_add(new char[70], 70, "new[]", __func__, false);
}

int main()
{
	struct rlimit limit = {64 << 20, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};

	for (int round = 0; round < 2; round++) {
		setrlimit(RLIMIT_AS, &limit);
		if (fill_up() < 1000)
			return 1;
		setrlimit(RLIMIT_AS, &none);
		while (list) {
			node *next = list->next;

			delete list;
			list = next;
		}
	}
	leak_after();
	expect.totals_unknown = true; /* exceptions are allocated, and freed */
	return expect_done(0);
}
