// SPDX-License-Identifier: GPL-2.0-or-later
/* A file of its own: term.h defines macros by the names of everything. */
#include "live/terminal.h"
#include "util/log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* clang-format off: after curses.h */
#include <curses.h>
#include <term.h>
/* clang-format on */

int terminal__check(void)
{
	const char *term = getenv("TERM");
	int found = 0;
	bool usable;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		log_error("--live needs a terminal, and standard %s is none",
			  isatty(STDIN_FILENO) ? "output" : "input");
		return -ENOTTY;
	}
	if (!term || !*term) {
		log_error("--live needs to know the kind of terminal: set TERM");
		return -ENOTTY;
	}
	if (setupterm(NULL, STDOUT_FILENO, &found) != OK) {
		log_error("--live does not know terminals of the kind '%s': set TERM", term);
		return -ENOTTY;
	}
	usable = tigetstr("cup") && tigetstr("clear");
	del_curterm(cur_term);
	if (!usable) {
		log_error("--live cannot draw on a terminal of the kind '%s': set TERM", term);
		return -ENOTTY;
	}
	return 0;
}
