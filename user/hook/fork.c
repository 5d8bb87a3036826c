// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Telling that this process is a forked child, however it was forked: by a page that the kernel
 * clears in children (MADV_WIPEONFORK, Linux 4.14). What runs in its parent's memory, a child of
 * vfork(2), is not one.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "hook.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static uint8_t never_cleared = 1;

uint16_t hook_inherited[HOOK_SEMAPHORES];
uint8_t *hook_settled = &never_cleared;

/* What a child begins with anew. */
struct own {
	uint8_t settled;
	uint8_t pad[65535]; /* no page is larger */
	struct memleak_cells cells;
};

/* By system calls alone: the functions for them are this library's. */
void hook_watch_forks(void)
{
	struct memleak_cells *none = NULL;
	struct own *own;

	if (__atomic_load_n(&hook_cells, __ATOMIC_RELAXED))
		return;
	own = (struct own *)syscall(SYS_mmap, NULL, sizeof(*own), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own == MAP_FAILED)
		return;
	if (syscall(SYS_madvise, own, sizeof(*own), MADV_WIPEONFORK)) {
		syscall(SYS_munmap, own, sizeof(*own));
		return;
	}
	own->settled = 1;
	hook_begin_cells(&own->cells);
	/* Several threads may make their first call at once: there is one page for all. */
	if (!__atomic_compare_exchange_n(&hook_cells, &none, &own->cells, false, __ATOMIC_RELEASE,
					 __ATOMIC_RELAXED)) {
		syscall(SYS_munmap, own, sizeof(*own));
		return;
	}
	__atomic_store_n(&hook_settled, &own->settled, __ATOMIC_RELEASE);
}

/* Whether the kernel has made a call of one of the nops of @site (site_x86_64.S). */
static bool leads_away(const void *site)
{
#if defined(__x86_64__)
	const volatile uint8_t *code = site;
	const uint8_t breakpoint = 0xcc;

	return (code[1] != 0x66 && code[1] != breakpoint) ||
	       (code[11] != 0x0f && code[11] != breakpoint);
#else
	(void)site;
	return false;
#endif
}

void hook_settle(void)
{
	const bool away[HOOK_SEMAPHORES] = {
		[HOOK_ALLOC] = leads_away(hook_site_alloc),
		[HOOK_PUT] = leads_away(hook_nops_put),
		[HOOK_FREE] = leads_away(hook_site_free) || leads_away(hook_site_restore),
		[HOOK_MAP] = leads_away(hook_site_map),
	};
	int i;

	/* Or all children would draw the same samples. Those that a system call alone has made (see
	 * hook_draw_in_children()) share the next one, if they are heard from the start. */
	hook_thread.random = 0;
	hook_thread.vforked = 0;
	if (hook_cells)
		hook_begin_cells(hook_cells);
	for (i = 0; i < HOOK_SEMAPHORES; i++)
		hook_inherited[i] = away[i] ? hook_semaphores[i] : 0;
	__atomic_store_n(hook_settled, 1, __ATOMIC_RELEASE);
}

/* Called by vfork(), which goes on to the function that this one returns. */
HOOK_HIDDEN void *hook_begin_vfork(void);

void *hook_begin_vfork(void)
{
	if (!hook_next.vfork)
		hook_find_next();
	hook_thread.vforked = syscall(SYS_getpid);
	return (void *)hook_next.vfork;
}

bool hook_look_for_vfork_child(struct hook_thread *t)
{
	if (syscall(SYS_getpid) != t->vforked)
		return true;
	t->vforked = 0; /* the parent goes on when its child does not any more */
	return false;
}
