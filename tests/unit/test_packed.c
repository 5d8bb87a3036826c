// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/packed.h"

struct wide {
	uint64_t words[7];
};

struct vectors {
	VECTOR(uint32_t) numbers;
	VECTOR(struct wide) wides;
	VECTOR(char) text;
};

static void release(struct vectors *v)
{
	vector_release(&v->numbers);
	vector_release(&v->wides);
	vector_release(&v->text);
}

/* It comes back as it was. */
static void pack_and_open(struct vectors *v)
{
	struct vectors again = {0};
	const struct packed_vector from[] = {PACKED_VECTOR(&v->numbers), PACKED_VECTOR(&v->wides),
					     PACKED_VECTOR(&v->text)};
	const struct packed_vector to[] = {PACKED_VECTOR(&again.numbers),
					   PACKED_VECTOR(&again.wides), PACKED_VECTOR(&again.text)};
	struct packed *p;

	assert_int_equal(packed__create(from, 3, &p), 0);
	assert_int_equal(packed__open(p, to, 3), 0);
	assert_int_equal(again.numbers.count, v->numbers.count);
	assert_int_equal(again.wides.count, v->wides.count);
	assert_int_equal(again.text.count, v->text.count);
	if (v->numbers.count)
		assert_memory_equal(again.numbers.items, v->numbers.items,
				    v->numbers.count * sizeof(*v->numbers.items));
	if (v->wides.count)
		assert_memory_equal(again.wides.items, v->wides.items,
				    v->wides.count * sizeof(*v->wides.items));
	if (v->text.count)
		assert_memory_equal(again.text.items, v->text.items, v->text.count);
	/* What came back can grow. */
	assert_int_equal(vector_push(&again.numbers, 1), 0);
	free(p);
	release(&again);
}

/* Numbers that no compression makes smaller. */
static uint64_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 32 ^ *seed << 32;
}

static void comes_back(void **state)
{
	struct vectors v = {0};
	uint64_t seed = 1;
	size_t i, k;

	(void)state;
	pack_and_open(&v);
	assert_int_equal(vector_push(&v.wides, (struct wide){{1, 2, 3}}), 0);
	pack_and_open(&v);
	for (i = 0; i < 1000; i++)
		assert_int_equal(vector_push(&v.numbers, i / 10), 0);
	pack_and_open(&v);
	for (i = 0; i < 20000; i++) {
		struct wide w;

		for (k = 0; k < 7; k++)
			w.words[k] = next(&seed);
		assert_int_equal(vector_push(&v.wides, w), 0);
		assert_int_equal(vector_push(&v.text, 'a' + i % 26), 0);
	}
	pack_and_open(&v);
	vector_release(&v.numbers);
	pack_and_open(&v);
	release(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
