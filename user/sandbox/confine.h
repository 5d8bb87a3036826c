/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SANDBOX_CONFINE_H
#define MEMLEAK_SANDBOX_CONFINE_H

/* The one descriptor of the helper. */
#define CONFINE_SOCKET 0

/* With a sanitizer memory and system calls are not limited: for tests. */
#if defined(__SANITIZE_ADDRESS__)
#define CONFINE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONFINE_SANITIZED 1
#endif
#endif
#ifndef CONFINE_SANITIZED
#define CONFINE_SANITIZED 0
#endif

/*
 * Take from this process everything but CONFINE_SOCKET, memory (up to a bound), the clock, and
 * reading of descriptors that it is handed: no capabilities, no new privileges, no other
 * descriptors, no system calls beyond a list; one outside of it ends the process. It ends with its
 * parent. For good. 0 or -errno.
 */
int confine(void);

#endif
