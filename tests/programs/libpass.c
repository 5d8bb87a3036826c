/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For LD_PRELOAD: hands every call on to the next malloc. A block is one block all the same. */
#include <dlfcn.h>
#include <stdlib.h>

#define NEXT(name)                                                                                 \
	({                                                                                         \
		static __typeof__(&name) next_;                                                    \
		if (!next_)                                                                        \
			*(void **)&next_ = dlsym(RTLD_NEXT, #name);                                \
		next_;                                                                             \
	})

static unsigned long calls;

void *malloc(size_t n)
{
	void *p = NEXT(malloc)(n);

	calls++;
	return p;
}

void free(void *p)
{
	NEXT(free)(p);
	calls++;
}

void *calloc(size_t n, size_t m)
{
	void *p = NEXT(calloc)(n, m);

	calls++;
	return p;
}

void *realloc(void *old, size_t n)
{
	void *p = NEXT(realloc)(old, n);

	calls++;
	return p;
}
