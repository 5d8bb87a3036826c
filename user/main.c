// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "options.h"
#include "run.h"
#include "sandbox/sandbox.h"
#include "saved.h"
#include "util/log.h"

/* Where a standard stream is closed, the next file that is opened would take its place, and reports
 * would go there. What stands in for it cannot be used, and the command does not inherit it. */
static void guard_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options o;
	int status;

	if (argc && strcmp(argv[0], SANDBOX_NAME) == 0)
		return helper();
	guard_standard_streams();
	status = options__parse(argc, argv, &o);
	if (status >= 0)
		return status;
	if (o.verbosity < 0)
		log__set_level(LOG_LEVEL_ERROR);
	else if (o.verbosity)
		log__set_level(o.verbosity > 1 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	status = o.mode == OPTIONS_TRACE ? run(&o) : saved(&o);
	options__release(&o);
	return status;
}
