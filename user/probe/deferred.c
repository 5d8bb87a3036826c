// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/deferred.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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
		log_warning("process %u: cannot read which frees it has not told of (%s): their "
			    "blocks are shown as outstanding",
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

/* A process whose cells are written to. */
struct writing {
	int fd; /* its memory; stays that of this program, whatever the process executes */
	pid_t thread;
};

static void end_writing(struct writing *w)
{
	cleanup_close(&w->fd);
}

static bool read_at(const struct writing *w, uint64_t addr, void *to, size_t size)
{
	return pread(w->fd, to, size, addr) == (ssize_t)size;
}

#define IN_CELLS(cells, field) ((cells) + offsetof(struct memleak_cells, field))

/* Open the memory of @pid, if its cells are at @cells: another tool does not write to them until it
 * is closed. 0; -ENOENT if they are not there; or another -errno. */
static int begin_writing(pid_t pid, uint64_t cells, struct writing *ret)
{
	CLEANUP(end_writing) struct writing w = {.thread = process__live_thread(pid)};
	uint64_t self;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", w.thread);
	w.fd = open(path, O_RDWR | O_CLOEXEC);
	if (w.fd < 0 && errno == EACCES) /* of another user; that right was given up */
		w.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (w.fd < 0)
		return -errno;
	if (!read_at(&w, IN_CELLS(cells, self), &self, sizeof(self)) || self != cells)
		return -ENOENT;
	if (flock(w.fd, LOCK_EX))
		return -errno;
	*ret = w;
	w.fd = -1;
	return 0;
}

static bool write_at(const struct writing *w, uint64_t addr, const void *from, size_t size)
{
	struct iovec here = {(void *)from, size}, there = {(void *)addr, size};
	ssize_t n = pwrite(w->fd, from, size, addr);

	if (n < 0 && errno == EBADF)
		n = process_vm_writev(w->thread, &here, 1, &there, 1, 0);
	return n == (ssize_t)size;
}

/* What is hidden, as it is in a process. */
static struct memleak_trail hidden(const struct memleak_trail *t)
{
	struct memleak_trail h = *t;
	size_t i;

	h.frame = MEMLEAK_TRAIL_HIDDEN(t->frame);
	for (i = 0; i < MEMLEAK_TRAIL_WORDS; i++)
		h.words[i] = MEMLEAK_TRAIL_HIDDEN(t->words[i]);
	return h;
}

/*
 * Whether a trail may be written to @cells. If there are another tool's new blocks, they are the
 * last ones. If there are nobody's, they are @tool's from now on, where it @wants them: its trails
 * come with the next answers, so that others which are asked, too, can say that they are there.
 */
static bool share_cells(const struct deferred_tool *tool, const struct writing *w, uint64_t cells,
			bool wants)
{
	const uint64_t own[] = {tool->session, 0, 0, 0}, shared = 1;
	uint64_t session;

	if (!read_at(w, IN_CELLS(cells, session), &session, sizeof(session)))
		return false;
	if (session == tool->session || (!session && !wants))
		return true;
	if (session)
		return write_at(w, IN_CELLS(cells, shared), &shared, sizeof(shared));
	write_at(w, IN_CELLS(cells, session), own, sizeof(own));
	return false;
}

static bool is_same_trail(const struct memleak_trail *a, const struct memleak_trail *b)
{
	return a->epoch == b->epoch && a->frame == b->frame && a->stack == b->stack &&
	       a->session == b->session && a->cfa == b->cfa && a->n == b->n &&
	       !memcmp(a->words, b->words, a->n * sizeof(*a->words)) &&
	       !memcmp(a->at, b->at, a->n * sizeof(*a->at));
}

/*
 * Which of the ways in @set the trail @t comes into, of which @next is the one whose turn it is;
 * -1: it is there. Who waits for an answer asks again, and the like of @t may be others' at once:
 * each of them would take the place of what somebody else has found.
 */
static int choose_way(const struct memleak_trail_set *set, const struct memleak_trail *t, int next)
{
	int i, way = next;

	for (i = 0; i < MEMLEAK_TRAIL_WAYS; i++) {
		if (is_same_trail(&set->ways[i], t))
			return set->ways[i].id ? -1 : i;
		if (!set->ways[i].id || set->ways[i].epoch != t->epoch)
			way = i;
	}
	return way;
}

static void write_trail(const struct deferred_tool *tool, const struct writing *w,
			const struct memleak_trail_answer *a)
{
	uint64_t number = MEMLEAK_TRAIL_SET(MEMLEAK_CALL(a->trail.frame, a->trail.words[0]));
	uint64_t there = IN_CELLS(a->cells, trails) + number * sizeof(struct memleak_trail_set);
	const struct memleak_trail t = hidden(&a->trail);
	struct memleak_trail_set set;
	uint64_t none = 0, epoch;
	int way;

	/* Of another program, perhaps, or out of date. */
	if (t.n > MEMLEAK_TRAIL_WORDS || !read_at(w, IN_CELLS(a->cells, epoch), &epoch, 8) ||
	    epoch != t.epoch || !share_cells(tool, w, a->cells, t.session) ||
	    !read_at(w, there, &set, sizeof(set)))
		return;
	way = choose_way(&set, &t, a->way % MEMLEAK_TRAIL_WAYS);
	if (way < 0)
		return;
	there += way * sizeof(t);
	/* Who reads it meanwhile sees by the id that it changes. */
	if (write_at(w, there, &none, sizeof(none)) &&
	    write_at(w, there + sizeof(t.id), (const char *)&t + sizeof(t.id),
		     sizeof(t) - sizeof(t.id)))
		write_at(w, there, &t.id, sizeof(t.id));
}

void deferred__answer(const struct deferred_tool *tool, const struct memleak_trail_answer *a)
{
	CLEANUP(end_writing) struct writing w = {.fd = -1};
	uint64_t none = 0;

	if (begin_writing(a->tgid, a->cells, &w))
		return;
	if (a->forgotten == MEMLEAK_TRAIL_NONE)
		write_trail(tool, &w, a);
	else if (a->forgotten < MEMLEAK_CELLS)
		write_at(&w, IN_CELLS(a->cells, cells[a->forgotten].trail), &none, sizeof(none));
}

static int write_epoch(const struct writing *w, uint64_t cells)
{
	uint64_t epoch = clock__monotonic_ns(); /* another one than ever before */

	return write_at(w, IN_CELLS(cells, epoch), &epoch, sizeof(epoch)) ? 0 : -errno;
}

int deferred__begin_epoch(const struct deferred_tool *tool, pid_t pid, uint64_t semaphore)
{
	struct iovec there = {(void *)(semaphore + MEMLEAK_PUT_SEMAPHORE_TO_CELLS), 8};
	CLEANUP(end_writing) struct writing w = {.fd = -1};
	uint64_t cells;
	int err = read_pieces(process__live_thread(pid), &cells, sizeof(cells), &there, 1);

	if (err == -EFAULT || (!err && !cells))
		return 0; /* it is being loaded */
	if (err)
		return err;
	err = begin_writing(pid, cells, &w);
	if (err)
		return err == -ENOENT ? 0 : err; /* a child that has none of its own so far */
	return share_cells(tool, &w, cells, false) ? write_epoch(&w, cells) : -errno;
}

void deferred__end_trails(const struct memleak_process *p)
{
	CLEANUP(end_writing) struct writing w = {.fd = -1};

	if (p->cells && !begin_writing(p->tgid, p->cells, &w))
		write_epoch(&w, p->cells);
}

void deferred__leave(const struct deferred_tool *tool, const struct memleak_process *p)
{
	CLEANUP(end_writing) struct writing w = {.fd = -1};
	const uint64_t nobody = 0;
	uint64_t session;

	if (!p->cells || begin_writing(p->tgid, p->cells, &w))
		return;
	if (read_at(&w, IN_CELLS(p->cells, session), &session, sizeof(session)) &&
	    session == tool->session)
		write_at(&w, IN_CELLS(p->cells, session), &nobody, sizeof(nobody));
}

void deferred__release(struct deferred *d)
{
	vector_release(&d->blocks);
}
