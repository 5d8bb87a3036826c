/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions that hand out memory in other forms than malloc's: a pool, an out-parameter, a result of
 * -1, sizes that are multiplied, a function that throws. Under their names they stand for one block a
 * call, whatever malloc gave inside. What is left at the end:
 *   pool_create     1 pool, made of blocks of 1000 and 24 bytes
 *   pool_get        2 of 10 * 30 bytes
 *   pool_out        1 of 50
 *   pool_throwing   3 of 60, and 5 calls that threw
 */
#include <stdexcept>

#include "expect.h"

struct pool {
	char *room;
};

extern "C" __attribute__((noipa)) pool *pool_create()
{
	pool *p = static_cast<pool *>(malloc(24));

	p->room = static_cast<char *>(malloc(1000));
	return p;
}

extern "C" __attribute__((noipa)) void pool_destroy(pool *p)
{
	free(p->room);
	free(p);
}

extern "C" __attribute__((noipa)) void *pool_get(int n, pool *, int size)
{
	return malloc(16 + n * size);
}

extern "C" __attribute__((noipa)) void pool_put(pool *, void *p)
{
	free(p);
}

extern "C" __attribute__((noipa)) int pool_out(void **ret, int size)
{
	if (size > 1000)
		return 12;
	*ret = malloc(size + 8);
	return 0;
}

extern "C" __attribute__((noipa)) void pool_in(void *p)
{
	free(p);
}

static char slots[100];
static int next_slot;

extern "C" __attribute__((noipa)) long slot_take(int size)
{
	return size ? (long)(slots + next_slot++) : -1;
}

extern "C" __attribute__((noipa)) void slot_drop(long)
{
	__asm__ volatile("" ::: "memory");
}

extern "C" __attribute__((noipa)) void *pool_throwing(int size)
{
	void *p = malloc(size + 1);

	if (size > 100) {
		free(p);
		throw std::runtime_error("too large");
	}
	return p;
}

NOIPA static void use_pools()
{
	pool *a = pool_create(), *b = pool_create();
	void *p;

	for (int i = 0; i < 2; i++)
		pool_get(10, a, 30);
	pool_put(a, pool_get(7, a, 11));
	if (pool_out(&p, 5000) == 0 || pool_out(&p, 50) || pool_out(&p, 51))
		abort();
	pool_in(p);
	slot_take(0);
	slot_take(5);
	slot_drop(slot_take(6));
	pool_destroy(b);
}

NOIPA static void use_throwing()
{
	for (int i = 0; i < 8; i++) {
		try {
			pool_throwing(i % 8 < 5 ? 101 : 60);
		} catch (const std::runtime_error &) {
		}
	}
}

NOIPA static void leak_after()
{
	char room[512];

	memset(room, 1, sizeof(room));
	__asm__ volatile("" ::"r"(room) : "memory");
	expect_add(malloc(33), 33, "malloc", __func__, false);
}

int main()
{
	use_pools();
	use_throwing();
	leak_after();
	expect.totals_unknown = true;
	return expect_done(0);
}
