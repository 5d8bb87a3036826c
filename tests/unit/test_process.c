// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/process.h"

static void alive_until_it_ends(void **state)
{
	siginfo_t info;
	pid_t child;

	(void)state;
	assert_true(process__is_alive(getpid()));
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		pause();
		_exit(0);
	}
	assert_true(process__is_alive(child));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, child, &info, WEXITED | WNOWAIT), 0);
	assert_false(process__is_alive(child)); /* a zombie */
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(process__is_alive(child));
}

/* Who cannot look has not seen it end. */
static void alive_without_descriptors(void **state)
{
	struct rlimit old, none;
	bool alive;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	alive = process__is_alive(getpid());
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(alive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alive_until_it_ends),
		cmocka_unit_test(alive_without_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
