/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TESTS_UNIT_TEST_SYMBOL_H
#define MEMLEAK_TESTS_UNIT_TEST_SYMBOL_H

/* What the tests of user/symbol share: a directory to work in, commands, and one-file symbolizers.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "profile/profile.h"
#include "symbol/symbol.h"
#include "util/cleanup.h"

/* A fresh directory, which is the current one from then on; *state is its name. */
static inline int setup_directory(void **state)
{
	char *dir = strdup("/tmp/memleak-symbol-XXXXXX");

	if (!dir || !mkdtemp(dir) || chdir(dir))
		return -1;
	*state = dir;
	return 0;
}

/* Run a shell command; false where it fails. */
__attribute__((format(printf, 1, 2))) static inline bool run(const char *fmt, ...)
{
	char command[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command) == 0;
}

static inline int teardown_directory(void **state)
{
	char *dir = *state;
	bool done = chdir("/") == 0 && run("rm -rf '%s'", dir);

	free(dir);
	return done ? 0 : -1;
}

static inline bool have(const char *command)
{
	return run("command -v %s >/dev/null 2>&1", command);
}

static inline void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

/* The first line that a command prints, without its newline. */
__attribute__((format(printf, 3, 4))) static inline void read_command(char *line, size_t size,
								      const char *fmt, ...)
{
	char command[8192];
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	f = popen(command, "r");
	assert_non_null(f);
	if (!fgets(line, size, f))
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	pclose(f);
}

/* A symbolizer of one file and a profile to take its answers. */
struct lookup {
	struct symbol_source source;
	struct symbolizer *symbolizer;
	struct profile *profile;
	unsigned int asked; /* how often the source function was called */
};

static inline int lookup_source(void *context, uint32_t id, struct symbol_source *ret)
{
	struct lookup *l = context;

	l->asked++;
	if (id != 0)
		return -ENOENT;
	*ret = l->source;
	return 0;
}

/* With the options, of a file that is open as @fd (closed by lookup_end). */
static inline void lookup_begin(struct lookup *l, int fd, const char *path, const char *root,
				bool debuginfod)
{
	struct symbolizer_options options = {.debuginfod = debuginfod};

	*l = (struct lookup){.source = {.fd = fd, .path = path, .root = root}};
	assert_int_equal(symbolizer__create(&options, lookup_source, l, &l->symbolizer), 0);
	l->profile = NULL;
}

static inline void lookup_open(struct lookup *l, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	lookup_begin(l, fd, path, NULL, false);
}

/* Resolve @n addresses at once; location i of l->profile is the i-th, if they are all different. */
static inline void lookup_run(struct lookup *l, uint32_t id, const uint64_t *pcs, size_t n,
			      bool interrupted)
{
	uint32_t *indexes = calloc(n + 1, sizeof(*indexes));
	uint32_t module, stack;
	size_t i;

	assert_non_null(indexes);
	profile__destroy(l->profile);
	l->profile = profile__create();
	assert_non_null(l->profile);
	assert_int_equal(profile__add_module(l->profile, id, "x", NULL, &module), 0);
	for (i = 0; i < n; i++) {
		struct profile_location location = {
			.module = module, .pc = pcs[i], .interrupted = interrupted};

		assert_int_equal(profile__add_location(l->profile, &location, &indexes[i]), 0);
	}
	assert_int_equal(profile__add_stack(l->profile, indexes, n, false, false, &stack), 0);
	assert_int_equal(vector_push(&l->profile->processes, (struct profile_process){.comm = "x"}),
			 0);
	assert_int_equal(vector_push(&l->profile->entries, (struct profile_entry){.stack = stack}),
			 0);
	assert_int_equal(profile__sort(l->profile, PROFILE_SORT_BYTES), 0);
	assert_int_equal(symbolizer__resolve(l->symbolizer, l->profile, 1, PROFILE_ALL_KINDS), 0);
	for (i = 0; i < n; i++)
		assert_true(l->profile->locations.items[indexes[i]].nr_lines > 0);
	free(indexes);
}

/* One address; its location. */
static inline const struct profile_location *lookup_one(struct lookup *l, uint64_t pc,
							bool interrupted)
{
	lookup_run(l, 0, &pc, 1, interrupted);
	return &l->profile->locations.items[0];
}

static inline void lookup_end(struct lookup *l)
{
	symbolizer__destroy(l->symbolizer);
	profile__destroy(l->profile);
	if (l->source.fd >= 0)
		close(l->source.fd);
}

#endif
