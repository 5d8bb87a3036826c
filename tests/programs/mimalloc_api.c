/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mimalloc's own functions beside malloc, and heaps of its kind. */
#include <mimalloc.h>

#include "expect.h"

static void release(void *p)
{
	expect_del(p);
	mi_free(p);
}

NOIPA static void leak_mi(void)
{
	release(EXPECT_NOTE(mi_malloc(100), 100));
	EXPECT_NOTE(mi_malloc(101), 101);
	EXPECT_NOTE(mi_zalloc(102), 102);
	EXPECT_NOTE(mi_calloc(3, 50), 150);
	EXPECT_NOTE(mi_mallocn(4, 50), 200);
	EXPECT_NOTE(mi_malloc_small(60), 60);
	EXPECT_NOTE(mi_malloc_aligned(300, 128), 300);
}

NOIPA static void leak_grown(void)
{
	void *p = EXPECT_NOTE(mi_malloc(30), 30);

	p = EXPECT_MOVE(p, mi_realloc(p, 3000), 3000);
	p = EXPECT_MOVE(p, mi_reallocn(p, 7, 500), 3500);
	EXPECT_MOVE(p, mi_rezalloc(p, 4000), 4000);
}

NOIPA static void leak_in_heap(void)
{
	mi_heap_t *heap = mi_heap_get_default();
	void *p = EXPECT_NOTE(mi_heap_malloc(heap, 400), 400);

	EXPECT_MOVE(p, mi_heap_realloc(heap, p, 4400), 4400);
	EXPECT_NOTE(mi_heap_zalloc(heap, 401), 401);
	EXPECT_NOTE(mi_heap_calloc(heap, 2, 201), 402);
}

int main(void)
{
	leak_mi();
	leak_grown();
	leak_in_heap();
	return expect_done(0);
}
