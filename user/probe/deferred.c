// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/deferred.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bpf/deferred.h"
#include "bpf/sample.h"
#include "target/process.h"
#include "util/cleanup.h"
#include "util/clock.h"
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

/* @time_ns: when it came, as its cell has it or as it is now. */
static struct memleak_block new_block(const struct deferred_tool *tool,
				      const struct memleak_cell *cell, uint64_t time_ns)
{
	return (struct memleak_block){
		.size = cell->size,
		.weight = cell->weight,
		.time_ns = time_ns,
		.stack = cell->stack ^ tool->secret,
		.family = cell->family,
		.families = cell->families,
		.slack = cell->slack,
		.deferrable = MEMLEAK_CELL_GENERATION(cell->tag),
	};
}

static int add_block(const struct deferred_tool *tool, struct deferred *d,
		     const struct memleak_cell *cell, uint64_t now_ns)
{
	enum memleak_cell_state state = MEMLEAK_CELL_STATE(cell->tag);
	struct deferred_block b = {
		.addr = MEMLEAK_CELL_ADDRESS(cell->tag),
		.time_ns = cell->time_ns < now_ns ? cell->time_ns : now_ns,
		.generation = MEMLEAK_CELL_GENERATION(cell->tag),
		.freed = state == MEMLEAK_CELL_FREED || state == MEMLEAK_CELL_TOLD ||
			 state == MEMLEAK_CELL_GONE,
		.is_new = state == MEMLEAK_CELL_NEW || state == MEMLEAK_CELL_LATE,
	};

	if (!state || (b.is_new && (!d->has_new || cell->session != tool->session)))
		return 0;
	if (b.is_new)
		b.block = new_block(tool, cell, b.time_ns);
	return vector_push(&d->blocks, b);
}

/* What stands in front of the cells. */
struct head {
	uint64_t bytes, low_bytes, again, again_bytes, used[MEMLEAK_CELL_PARTS / 64], epoch, self,
		told_bytes, session, new_bytes, passed, passed_bytes;
};
static_assert(offsetof(struct head, passed_bytes) == offsetof(struct memleak_cells, passed_bytes),
	      "the same");

static void take_numbers(const struct head *h, const struct memleak_process *p,
			 struct deferred *ret)
{
	uint64_t live = p->alloc_bytes - p->free_bytes, low = h->low_bytes - p->strange_bytes;
	struct deferred_numbers *d = &ret->numbers;

	d->again = (h->again - p->strange_again) * SAMPLE_WEIGHT_ONE;
	d->again_bytes = h->again_bytes - p->strange_again_bytes;
	if (ret->has_new) {
		d->again += h->passed;
		d->again_bytes += h->passed_bytes;
	}
	/* Of what was drawn it counts whose it is. */
	if ((int64_t)(h->low_bytes - h->told_bytes) < 0 &&
	    (p->drawn ? ret->has_new : (int64_t)low >= 0))
		d->peak_bytes = live - low;
}

static int read_cells(const struct deferred_tool *tool, pid_t thread,
		      const struct memleak_process *p, struct deferred *ret)
{
	struct iovec pieces[MEMLEAK_CELL_PARTS];
	CLEANUP_FREE struct memleak_cell *cells = NULL;
	size_t n = 0, i;
	uint64_t now_ns = clock__monotonic_ns();
	struct head head;
	int err;

	pieces[0] = (struct iovec){(void *)p->cells, sizeof(head)};
	err = read_pieces(thread, &head, sizeof(head), pieces, 1);
	if (err)
		return err;
	ret->has_new = head.session == tool->session;
	take_numbers(&head, p, ret);
	for (i = 0; i < MEMLEAK_CELL_PARTS; i++)
		if (head.used[i / 64] >> i % 64 & 1)
			pieces[n++] = (struct iovec){
				(void *)(p->cells + offsetof(struct memleak_cells,
							     cells[i * MEMLEAK_CELL_PART])),
				MEMLEAK_CELL_PART * sizeof(*cells)};
	if (!n)
		return 0;
	cells = calloc(n * MEMLEAK_CELL_PART, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	err = read_pieces(thread, cells, n * MEMLEAK_CELL_PART * sizeof(*cells), pieces, n);
	for (i = 0; i < n * MEMLEAK_CELL_PART && !err; i++)
		err = add_block(tool, ret, &cells[i], now_ns);
	return err;
}

/* Whether another program has taken its place meanwhile, or it has ended: the kernel side says. */
static bool is_over(int processes_fd, const struct memleak_process *p)
{
	struct memleak_process now;

	return bpf_map_lookup_elem(processes_fd, &p->tgid, &now) || now.image != p->image;
}

/* Whether the kernel side has been told something since @p was read. */
static bool is_later(int processes_fd, const struct memleak_process *p)
{
	struct memleak_process now;

	return bpf_map_lookup_elem(processes_fd, &p->tgid, &now) || now.allocs != p->allocs ||
	       now.frees != p->frees;
}

int deferred__read(const struct deferred_tool *tool, const struct memleak_process *p,
		   struct deferred *ret)
{
	int err;

	ret->numbers = (struct deferred_numbers){0};
	err = p->cells ? read_cells(tool, process__live_thread(p->tgid), p, ret) : 0;

	/* What belongs to another time: the kernel side has looked itself. */
	if (ret->numbers.peak_bytes && is_later(tool->processes_fd, p))
		ret->numbers.peak_bytes = 0;
	if (!err || err == -ENOMEM)
		return err;
	if (!is_over(tool->processes_fd, p))
		log_warning("process %u: cannot read what it has not told of (%s): blocks that are "
			    "free are shown as outstanding, and samples are missing",
			    p->tgid, strerror(-err));
	return 0;
}

void deferred__count(const struct deferred_numbers *d, struct memleak_process *p, uint64_t now_ns)
{
	if ((int64_t)d->peak_bytes > (int64_t)p->peak_bytes) {
		p->peak_bytes = d->peak_bytes;
		p->peak_ns = now_ns;
	}
	p->allocs += d->again;
	p->frees += d->again;
	p->alloc_bytes += d->again_bytes;
	p->free_bytes += d->again_bytes;
}

void deferred__release(struct deferred *d)
{
	vector_release(&d->blocks);
}
