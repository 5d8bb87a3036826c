// SPDX-License-Identifier: GPL-2.0-or-later
/* Before the program's own constructors: what is to be told, and whether anything may be. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "hook.h"

extern void __asan_init(void) __attribute__((weak));
extern void __hwasan_init(void) __attribute__((weak));
extern void __lsan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));
extern void __msan_init(void) __attribute__((weak));

enum hook_mode hook_mode = HOOK_EARLY;

static void say(const char *line)
{
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return; /* nobody listens */
}

/* They have the allocator, and watch it themselves; the tool looks for the same symbols. */
static bool has_sanitizer(void)
{
	return __asan_init || __hwasan_init || __lsan_init || __tsan_init || __msan_init;
}

/* Valgrind takes malloc's place whoever defines it, by a library that it preloads itself. */
static bool has_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded && strstr(preloaded, "/vgpreload_");
}

static void __attribute__((constructor)) begin(void)
{
	const char *bytes = getenv("MEMLEAK_SAMPLE_BYTES");

	if (has_valgrind()) {
		hook_mode = HOOK_ASIDE;
		say("libmemleak: this program runs under Valgrind, which has its allocator: "
		    "stepping aside\n");
		return;
	}
	if (has_sanitizer()) {
		hook_mode = HOOK_ASIDE;
		say("libmemleak: this program has a sanitizer, which has its allocator: stepping "
		    "aside\n");
		return;
	}
	hook_mean = bytes ? hook_parse_bytes(bytes) : 0;
	if (bytes && !hook_mean)
		say("libmemleak: MEMLEAK_SAMPLE_BYTES is no number of bytes (like 4096, 64K or "
		    "1M): all allocations are told\n");
	hook_mode = hook_mean ? HOOK_SAMPLED : HOOK_ALL;
	if (hook_mode == HOOK_SAMPLED) {
		hook_draw_in_children();
		hook_filter_open();
	}
	hook_choose_quick();
}
