// SPDX-License-Identifier: GPL-2.0-or-later
#include "helper.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leakcheck/suppress.h"
#include "sandbox/confine.h"
#include "sandbox/kinds.h"
#include "sandbox/serve.h"
#include "symbol/demangle.h"
#include "symbol/service.h"
#include "target/inspect.h"
#include "util/cleanup.h"
#include "util/log.h"

/*
 * For tests: MEMLEAK_BPF_READER_FAULT=KIND:WHAT makes every request of the kind go wrong: die,
 * spin, eat (memory), open (a file). Written once, before the first request.
 */
static struct {
	unsigned int kind;
	char what;
} fault = {.kind = UINT_MAX};

static void __attribute__((noinline)) eat(void)
{
	size_t size = 64UL << 20;
	char *p;

	while ((p = malloc(size)))
		memset(p, 1, size);
	abort();
}

static void go_wrong(uint32_t kind)
{
	volatile bool forever = true;

	if (kind != fault.kind)
		return;
	switch (fault.what) {
	case 'd':
		abort();
	case 's':
		while (forever)
			;
		break;
	case 'e':
		eat();
		break;
	case 'o':
		open("/etc/passwd", O_RDONLY | O_CLOEXEC);
		break;
	}
}

static void read_fault(void)
{
	const char *text = secure_getenv("MEMLEAK_BPF_READER_FAULT");

	if (text && sscanf(text, "%u:%c", &fault.kind, &fault.what) != 2)
		fault.kind = UINT_MAX;
}

static int read_suppressions(void *context, struct server *server, struct wire *request, int fd,
			     struct wire *reply)
{
	(void)context;
	(void)server;
	cleanup_close(&fd);
	return suppressions__serve(demangle, request, reply);
}

int helper(void)
{
	static serve_fn *const services[SANDBOX_KINDS] = {
		[SANDBOX_OBJECT] = inspect__serve,
		[SANDBOX_TABLE] = symbol_service__compile,
		[SANDBOX_FIND] = symbol_service__find,
		[SANDBOX_DEMANGLE] = symbol_service__demangle,
		[SANDBOX_SUPPRESS] = read_suppressions,
	};
	struct symbol_service *symbols;

	read_fault();
	/* What is shown is the tool's to say. */
	log__set_level(LOG_LEVEL_DEBUG);
	if (symbol_service__create(&symbols) || confine())
		return 1;
	return serve(services, SANDBOX_KINDS, symbols,
		     fault.kind < SANDBOX_KINDS ? go_wrong : NULL);
}
