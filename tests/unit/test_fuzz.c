// SPDX-License-Identifier: GPL-2.0-or-later
/* The fuzzers over what is kept for them, whole and cut short: seeds, and findings that are mended.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/golden.h"
#include "util/cleanup.h"
#include "util/log.h"

#define CUTS	    16
#define INPUT_LIMIT (1 << 20)

/* LLVMFuzzerTestOneInput of tests/fuzz/fuzz_NAME.c */
int fuzz_cfi(const uint8_t *data, size_t size);
int fuzz_notes(const uint8_t *data, size_t size);
int fuzz_perfmap(const uint8_t *data, size_t size);
int fuzz_placement(const uint8_t *data, size_t size);
int fuzz_pprof(const uint8_t *data, size_t size);
int fuzz_suppress(const uint8_t *data, size_t size);
int fuzz_symbol(const uint8_t *data, size_t size);
int fuzz_words(const uint8_t *data, size_t size);

typedef int fuzz_fn(const uint8_t *data, size_t size);

static void try_input(const char *path, fuzz_fn *fuzz)
{
	CLEANUP_FREE uint8_t *data = malloc(INPUT_LIMIT);
	CLEANUP_FCLOSE FILE *f = fopen(path, "r");
	size_t size, i;

	assert_non_null(data);
	assert_non_null(f);
	size = fread(data, 1, INPUT_LIMIT, f);
	assert_true(size && size < INPUT_LIMIT);
	for (i = 1; i <= CUTS; i++) {
		size_t n = size * i / CUTS;
		/* Of its own, so that valgrind and ASan see where it ends. */
		CLEANUP_FREE uint8_t *cut = malloc(n + !n);

		assert_non_null(cut);
		memcpy(cut, data, n);
		assert_int_equal(fuzz(cut, n), 0);
	}
}

static void try_all(const char *name, fuzz_fn *fuzz)
{
	char folder[4096], path[4400];
	CLEANUP_CLOSEDIR DIR *d = NULL;
	struct dirent *e;
	size_t nr = 0;

	golden_path(folder, sizeof(folder), __FILE__, "../fuzz/inputs/");
	strncat(folder, name, sizeof(folder) - strlen(folder) - 1);
	d = opendir(folder);
	if (!d)
		fail_msg("cannot open %s", folder);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		try_input(path, fuzz);
		nr++;
	}
	assert_true(nr > 0);
}

#define FUZZ_TEST(name)                                                                            \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		try_all(#name, fuzz_##name);                                                       \
	}

FUZZ_TEST(cfi)
FUZZ_TEST(notes)
FUZZ_TEST(perfmap)
FUZZ_TEST(placement)
FUZZ_TEST(pprof)
FUZZ_TEST(suppress)
FUZZ_TEST(symbol)
FUZZ_TEST(words)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cfi),	cmocka_unit_test(test_notes),
		cmocka_unit_test(test_perfmap), cmocka_unit_test(test_placement),
		cmocka_unit_test(test_pprof),	cmocka_unit_test(test_suppress),
		cmocka_unit_test(test_symbol),	cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("fuzz", tests, NULL, NULL);
}
