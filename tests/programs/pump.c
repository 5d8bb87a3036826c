/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does what its standard input says, a line at a time, and answers "ok":
 *   leak N BYTES    N blocks more        free N       the last N blocks fewer
 *   churn N BYTES   N mallocs and frees  map BYTES    one mapping more
 *   fork N BYTES    a child that loses N blocks and ends
 *   mark            forget what was: a tool has attached now
 *   truth           write the expectation
 *   exit STATUS, kill SIGNAL
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "expect.h"

#define KEEP 65536

static void *kept[KEEP];
static int nr_kept;

NOIPA static void pump_leak(long n, long bytes)
{
	for (; n > 0; n--) {
		void *p = malloc(bytes);

		if (nr_kept < KEEP)
			kept[nr_kept++] = p;
	}
}

NOIPA static void pump_free(long n)
{
	for (; n > 0 && nr_kept; n--)
		free(kept[--nr_kept]);
}

NOIPA static void pump_churn(long n, long bytes)
{
	for (; n > 0; n--)
		free(malloc(bytes));
}

NOIPA static void pump_map(long bytes)
{
	if (mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		abort();
	expect_mmap(__func__, 1, bytes);
}

NOIPA static void pump_fork(long n, long bytes)
{
	pid_t child = fork();

	if (!child) {
		expect_reset();
		pump_leak(n, bytes);
		_exit(expect_done(0));
	}
	waitpid(child, NULL, 0);
}

static void answer(void)
{
	if (write(1, "ok\n", 3) != 3)
		_exit(1);
}

static bool read_line(char *line, size_t size)
{
	size_t n = 0;
	ssize_t got;
	char c;

	for (;;) {
		got = read(0, &c, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		if (c == '\n')
			break;
		if (n + 1 < size)
			line[n++] = c;
	}
	line[n] = 0;
	return true;
}

int main(void)
{
	char line[256], word[32];

	while (read_line(line, sizeof(line))) {
		long a = 0, b = 0;

		if (sscanf(line, "%31s %ld %ld", word, &a, &b) < 1)
			continue;
		if (!strcmp(word, "leak"))
			pump_leak(a, b);
		else if (!strcmp(word, "free"))
			pump_free(a);
		else if (!strcmp(word, "churn"))
			pump_churn(a, b);
		else if (!strcmp(word, "map"))
			pump_map(a);
		else if (!strcmp(word, "fork"))
			pump_fork(a, b);
		else if (!strcmp(word, "mark"))
			expect_reset();
		else if (!strcmp(word, "truth"))
			expect_done(0);
		else if (!strcmp(word, "exit")) {
			answer();
			return expect_done((int)a);
		} else if (!strcmp(word, "kill"))
			raise((int)a);
		answer();
	}
	return expect_done(0);
}
