/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TESTS_FUZZ_H
#define MEMLEAK_TESTS_FUZZ_H

/*
 * What the fuzzers share. Each is one file with libFuzzer's entry; test_fuzz.c of the unit tests
 * links all of them under other names and runs them over tests/fuzz/inputs.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/log.h"

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One file in memory for all inputs, with these bytes in it. Its descriptor stays open. */
static inline int fuzz_file(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	REQUIRE(fd >= 0 && !ftruncate(fd, 0));
	REQUIRE(pwrite(fd, data, size, 0) == (ssize_t)size);
	REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

#endif
