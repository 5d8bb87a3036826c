// SPDX-License-Identifier: GPL-2.0-or-later
/* The perf map of a process, here this one's: whatever is found holds the address. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "symbol/perfmap.h"
#include "tests/fuzz/fuzz.h"

static char path[64];

static void remove_map(void)
{
	unlink(path);
}

static void write_map(const uint8_t *data, size_t size)
{
	int fd;

	if (!path[0]) {
		snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
		atexit(remove_map);
	}
	/* Cut to nothing first, ext4 would bring each to the disk. */
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size && !ftruncate(fd, size));
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t addrs[] = {0, 1, 0x10, 0x1000, 0x1040, 0x7f0000001000, UINT64_MAX};
	const char *name;
	struct perfmap *m;
	uint64_t start;
	size_t i;
	int err;

	write_map(data, size);
	REQUIRE(!perfmap__create(getpid(), &m));
	for (i = 0; i < sizeof(addrs) / sizeof(*addrs); i++) {
		err = perfmap__find(m, addrs[i], &name, &start);
		REQUIRE(!err || err == -ENOENT);
		REQUIRE(err || (start <= addrs[i] && strlen(name)));
	}
	perfmap__destroy(m);
	return 0;
}
