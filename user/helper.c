// SPDX-License-Identifier: GPL-2.0-or-later
#include "helper.h"

#include "sandbox/confine.h"
#include "sandbox/kinds.h"
#include "sandbox/serve.h"
#include "symbol/service.h"
#include "target/inspect.h"
#include "util/log.h"

int helper(void)
{
	static serve_fn *const services[SANDBOX_KINDS] = {
		[SANDBOX_OBJECT] = inspect__serve,
		[SANDBOX_TABLE] = symbol_service__compile,
		[SANDBOX_FIND] = symbol_service__find,
		[SANDBOX_DEMANGLE] = symbol_service__demangle,
	};
	struct symbol_service *symbols;

	/* What is shown is the tool's to say. */
	log__set_level(LOG_LEVEL_DEBUG);
	if (symbol_service__create(&symbols) || confine())
		return 1;
	return serve(services, SANDBOX_KINDS, symbols);
}
