// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/deferred.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "bpf/deferred.h"
#include "target/process.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Read @n @remote pieces, as much as there is @room for. 0 or -errno. */
static int read_pieces(pid_t thread, void *local, size_t room, const struct iovec *remote, size_t n)
{
	struct iovec to = {local, room};
	ssize_t got = process_vm_readv(thread, &to, 1, remote, n, 0);

	if (got < 0)
		return -errno;
	return (size_t)got == room ? 0 : -EFAULT;
}

static int add_block(deferred_list *list, const struct memleak_cell *cell)
{
	enum memleak_cell_state state = MEMLEAK_CELL_STATE(cell->tag);
	struct deferred_block b = {
		.addr = MEMLEAK_CELL_ADDRESS(cell->tag),
		.generation = MEMLEAK_CELL_GENERATION(cell->tag),
		.freed = state == MEMLEAK_CELL_FREED || state == MEMLEAK_CELL_TOLD,
	};

	return state ? vector_push(list, b) : 0;
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
		err = add_block(ret, &cells[i]);
	return err;
}

/* Whether another program has taken its place meanwhile, or it has ended: the kernel side says. */
static bool is_over(int processes_fd, const struct memleak_process *p)
{
	struct memleak_process now;

	return bpf_map_lookup_elem(processes_fd, &p->tgid, &now) || now.image != p->image;
}

int deferred__read(int processes_fd, const struct memleak_process *p, deferred_list *ret)
{
	int err = p->cells ? read_cells(process__live_thread(p->tgid), p, ret) : 0;

	if (!err || err == -ENOMEM)
		return err;
	if (!is_over(processes_fd, p))
		log_warning("process %u: cannot read which frees it has not told of (%s): their "
			    "blocks are shown as outstanding",
			    p->tgid, strerror(-err));
	return 0;
}

void deferred__release(deferred_list *list)
{
	vector_release(list);
}
