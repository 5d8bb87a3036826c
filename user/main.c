// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"
#include "run.h"
#include "saved.h"
#include "util/log.h"

int main(int argc, char **argv)
{
	struct options o;
	int status = options__parse(argc, argv, &o);

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
