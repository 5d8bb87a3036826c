// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Telling that this process is a forked child, however it was forked: by a page that the kernel
 * clears in children (MADV_WIPEONFORK, Linux 4.14). What runs in its parent's memory, a child of
 * vfork(2), is not one.
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hook.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static uint8_t never_cleared = 1;

struct hook_counts hook_counts;
uint8_t *hook_settled = &never_cleared;

/* By system calls alone: the functions for them are this library's. */
void hook_watch_forks(void)
{
	size_t size = 65536; /* no page is larger */
	uint8_t *page;

	if (hook_settled != &never_cleared)
		return;
	page = (uint8_t *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return;
	if (syscall(SYS_madvise, page, size, MADV_WIPEONFORK)) {
		syscall(SYS_munmap, page, size);
		return;
	}
	*page = 1;
	__atomic_store_n(&hook_settled, page, __ATOMIC_RELEASE);
}

void hook_settle(void)
{
	/* Or all children would draw the same samples. */
	hook_thread.random = 0;
	hook_thread.left = 0;
	memcpy(hook_counts.inherited, hook_counts.seen, sizeof(hook_counts.inherited));
	__atomic_store_n(hook_settled, 1, __ATOMIC_RELEASE);
}
