/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nothing wrong: operators of the program's own, with a header in front of each object, a cache of
 * deleted ones, and chunks that they get from malloc and give back by free.
 */
#include <cstddef>
#include <new>
#include <string>
#include <vector>

#include "findings.h"

static const size_t header = 16, cached = 48;
static void *cache, *chunk;

void *operator new(size_t n)
{
	char *p;

	if (n == cached && cache) {
		p = static_cast<char *>(cache);
		cache = *reinterpret_cast<void **>(p);
		return p;
	}
	if (!chunk)
		chunk = malloc(4096);
	p = static_cast<char *>(malloc(n + header));
	if (!p)
		throw std::bad_alloc();
	*reinterpret_cast<size_t *>(p) = n;
	return p + header;
}

void operator delete(void *p) noexcept
{
	char *block = static_cast<char *>(p) - header;

	if (!p)
		return;
	if (*reinterpret_cast<size_t *>(block) == cached) {
		*static_cast<void **>(p) = cache;
		cache = p;
		return;
	}
	free(block);
}

void operator delete(void *p, size_t) noexcept
{
	operator delete(p);
}

int main()
{
	std::vector<std::string> v;

	for (int i = 0; i < 100; i++)
		v.push_back(std::string(i, 'x'));
	for (int i = 0; i < 10; i++)
		::operator delete(::operator new(48));
	v.clear();
	while (cache) {
		char *p = static_cast<char *>(cache);

		cache = *reinterpret_cast<void **>(p);
		free(p - header);
	}
	free(chunk);
	return 0;
}
