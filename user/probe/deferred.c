// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/deferred.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "bpf/deferred.h"
#include "target/process.h"
#include "util/cleanup.h"

/* Read @n @remote pieces, as much as there is @room for; 0, -ESRCH where the process has ended. */
static int read_pieces(pid_t thread, void *local, size_t room, const struct iovec *remote, size_t n)
{
	struct iovec to = {local, room};
	ssize_t got = process_vm_readv(thread, &to, 1, remote, n, 0);

	if (got < 0)
		return -errno;
	return (size_t)got == room ? 0 : -EFAULT;
}

static bool is_freed(const struct memleak_cell *cell)
{
	enum memleak_cell_state state = MEMLEAK_CELL_STATE(cell->tag);

	return state == MEMLEAK_CELL_FREED || state == MEMLEAK_CELL_TOLD;
}

static int read_cells(pid_t thread, const struct memleak_process *p, deferred_list *ret)
{
	struct iovec pieces[MEMLEAK_CELL_PARTS];
	CLEANUP_FREE struct memleak_cell *cells = NULL;
	size_t n = 0, i;
	uint64_t used;
	int err;

	pieces[0] = (struct iovec){(void *)(p->cells + offsetof(struct memleak_cells, used)),
				   sizeof(used)};
	err = read_pieces(thread, &used, sizeof(used), pieces, 1);
	if (err || !used)
		return err;
	for (i = 0; i < MEMLEAK_CELL_PARTS; i++)
		if (used >> i & 1)
			pieces[n++] = (struct iovec){
				(void *)(p->cells + offsetof(struct memleak_cells,
							     cells[i * MEMLEAK_CELL_PART])),
				MEMLEAK_CELL_PART * sizeof(*cells)};
	cells = calloc(n * MEMLEAK_CELL_PART, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	err = read_pieces(thread, cells, n * MEMLEAK_CELL_PART * sizeof(*cells), pieces, n);
	for (i = 0; i < n * MEMLEAK_CELL_PART && !err; i++)
		if (is_freed(&cells[i]))
			err = vector_push(ret, MEMLEAK_CELL_ADDRESS(cells[i].tag));
	return err;
}

int deferred__read(const struct memleak_process *p, deferred_list *ret)
{
	int err = p->cells ? read_cells(process__live_thread(p->tgid), p, ret) : 0;

	return err == -ESRCH ? 0 : err; /* the kernel side has read them when it ended */
}

void deferred__release(deferred_list *list)
{
	vector_release(list);
}
