/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sampled_kinds: keeps COUNT blocks of SIZE bytes of every kind, beside others that it frees and
 * calls that fail, and states what it keeps: {"FUNCTION": ["FAMILY", bytes], ...}.
 */
#include <cstdio>
#include <cstdlib>
#include <new>

#define NOIPA __attribute__((noipa))
#define COUNT 60000
#define SIZE  160

static void *kept[5][COUNT];

extern "C" NOIPA void *keep_new()
{
	void *p = operator new(SIZE);
	__asm__ volatile("" : "+r"(p));
	return p;
}

extern "C" NOIPA void *keep_array()
{
	void *p = operator new[](SIZE);
	__asm__ volatile("" : "+r"(p));
	return p;
}

extern "C" NOIPA void *keep_malloc()
{
	void *p = malloc(SIZE);
	__asm__ volatile("" : "+r"(p));
	return p;
}

extern "C" NOIPA void *keep_calloc()
{
	void *p = calloc(SIZE / 8, 8);
	__asm__ volatile("" : "+r"(p));
	return p;
}

extern "C" NOIPA void *keep_realloc()
{
	void *p = realloc(malloc(SIZE / 4), SIZE);
	__asm__ volatile("" : "+r"(p));
	return p;
}

/* Bytes that are asked for in vain stand for nothing. */
NOIPA static void fail(size_t size)
{
	void *p = malloc(SIZE);

	if (realloc(p, size) || malloc(size) || calloc(size / 2, 2))
		abort();
	free(p);
}

static const struct kind {
	const char *name, *family;
	void *(*keep)();
} kinds[] = {
	{"keep_new", "new", keep_new},
	{"keep_array", "new[]", keep_array},
	{"keep_malloc", "malloc", keep_malloc},
	{"keep_calloc", "malloc", keep_calloc},
	{"keep_realloc", "malloc", keep_realloc},
};

int main()
{
	size_t n = sizeof(kinds) / sizeof(*kinds), k;
	volatile size_t too_much = (size_t)1 << 62;

	for (int i = 0; i < COUNT; i++) {
		for (k = 0; k < n; k++)
			kept[k][i] = kinds[k].keep();
		free(malloc(SIZE));
		if (i % 16 == 0)
			fail(too_much);
	}
	for (k = 0; k < n; k++)
		printf("%s\"%s\": [\"%s\", %d]", k ? ", " : "{", kinds[k].name, kinds[k].family,
		       COUNT * SIZE);
	printf("}\n");
	return 0;
}
