/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every kind of new and delete. The function that says `new` is the caller, not operator new. */
#include <cstdint>
#include <cstdlib>
#include <new>

#include "expect.h"

#define NOTE(object, block, bytes, family)                                                         \
	({                                                                                         \
		auto *noted_ = (object);                                                           \
		expect_add((char *)noted_ - (block), (bytes), family, __func__, false);            \
		noted_;                                                                            \
	})

struct plain {
	char room[24];
};

/* An array of these is preceded by its length. */
struct with_destructor {
	char room[40];
	~with_destructor()
	{
		room[0] = 0;
		__asm__ volatile("" ::: "memory");
	}
};

struct with_virtual_destructor {
	char room[48];
	virtual ~with_virtual_destructor()
	{
		room[0] = 0;
	}
};

struct alignas(64) aligned {
	char room[128];
};

static const size_t cookie = sizeof(size_t);

NOIPA static void leak_new()
{
	NOTE(new plain, 0, sizeof(plain), "new");
	NOTE(new int, 0, sizeof(int), "new");
}

NOIPA static void leak_array(int n)
{
	NOTE(new int[n], 0, n * sizeof(int), "new[]");
	NOTE(new with_destructor[n], cookie, cookie + n * sizeof(with_destructor), "new[]");
}

NOIPA static void leak_nothrow(int n)
{
	NOTE(new (std::nothrow) plain, 0, sizeof(plain), "new");
	NOTE(new (std::nothrow) char[n], 0, n, "new[]");
}

NOIPA static void leak_aligned(int n)
{
	NOTE(new aligned, 0, sizeof(aligned), "new");
	NOTE(new aligned[n], 0, n * sizeof(aligned), "new[]");
}

/* Not an allocation. */
NOIPA static void placement()
{
	static char room[sizeof(with_destructor)];
	auto *p = new (room) with_destructor;

	p->~with_destructor();
}

NOIPA static void no_leak(int n)
{
	auto *a = NOTE(new plain, 0, sizeof(plain), "new");
	auto *b = NOTE(new with_virtual_destructor, 0, sizeof(with_virtual_destructor), "new");
	auto *c = NOTE(new with_destructor[n], cookie, cookie + n * sizeof(with_destructor), "new[]");
	auto *d = NOTE(new aligned, 0, sizeof(aligned), "new");
	auto *e = NOTE(new aligned[n], 0, n * sizeof(aligned), "new[]");
	void *f = NOTE((char *)::operator new(77), 0, 77, "new");

	expect_del(a);
	delete a;
	expect_del(b);
	delete b;
	expect_del((char *)c - cookie);
	delete[] c;
	expect_del(d);
	delete d;
	expect_del(e);
	delete[] e;
	expect_del(f);
	::operator delete(f, (size_t)77);
	delete (plain *)nullptr;
}

int main()
{
	volatile int n = 5;

	for (int i = 0; i < 10; i++) {
		leak_new();
		leak_array(n);
		leak_nothrow(n);
		leak_aligned(n);
		placement();
		no_leak(n);
	}
	return expect_done(0);
}
