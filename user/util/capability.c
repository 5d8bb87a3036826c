// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/capability.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc has no functions for these two. */
static struct __user_cap_header_struct header(void)
{
	return (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
}

int capability__get(struct capability_sets *ret)
{
	struct __user_cap_header_struct h = header();
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &h, d))
		return -errno;
	ret->permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	ret->effective = d[0].effective | (uint64_t)d[1].effective << 32;
	ret->inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
	return 0;
}

int capability__set(const struct capability_sets *sets)
{
	struct __user_cap_header_struct h = header();
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = {
		{sets->effective, sets->permitted, sets->inheritable},
		{sets->effective >> 32, sets->permitted >> 32, sets->inheritable >> 32},
	};

	return syscall(SYS_capset, &h, d) ? -errno : 0;
}

int capability__drop_all(void)
{
	/* The kernel takes from the ambient set what the others do not have. */
	return capability__set(&(struct capability_sets){0});
}
