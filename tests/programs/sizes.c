/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocks of many sizes, for --min-size and --max-size, which MIN and MAX tell this program too. */
#include "expect.h"

static const size_t sizes[] = {1,    15,   16,    17,    99,    100,	 101,	  1000,
			       4095, 4096, 65535, 65536, 65537, 1 << 20, 3 << 20, (3 << 20) + 1};

static size_t limit(const char *name, size_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 10) : otherwise;
}

NOIPA static void leak_size(size_t n, size_t min, size_t max)
{
	void *p = (malloc)(n), *q = (malloc)(n);

	if (n >= min && n <= max) {
		expect_add(p, n, "malloc", __func__, false);
		expect_add(q, n, "malloc", __func__, false);
		expect_del(q);
	}
	(free)(q);
}

int main(void)
{
	size_t min = limit("MIN", 0), max = limit("MAX", SIZE_MAX);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		leak_size(sizes[i], min, max);
	return expect_done(0);
}
