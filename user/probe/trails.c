// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/trails.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bpf/deferred.h"
#include "target/process.h"
#include "util/cleanup.h"
#include "util/clock.h"

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

void trails__answer(const struct deferred_tool *tool, const struct memleak_trail_answer *a)
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

int trails__begin_epoch(const struct deferred_tool *tool, pid_t pid, uint64_t semaphore)
{
	struct iovec there = {(void *)(semaphore + MEMLEAK_PUT_SEMAPHORE_TO_CELLS), 8};
	CLEANUP(end_writing) struct writing w = {.fd = -1};
	uint64_t cells;
	struct iovec here = {&cells, sizeof(cells)};
	ssize_t n = process_vm_readv(process__live_thread(pid), &here, 1, &there, 1, 0);
	int err;

	if (n < 0 && errno != EFAULT)
		return -errno;
	if (n != sizeof(cells) || !cells)
		return 0; /* it is being loaded */
	err = begin_writing(pid, cells, &w);
	if (err)
		return err == -ENOENT ? 0 : err; /* a child that has none of its own so far */
	return share_cells(tool, &w, cells, false) ? write_epoch(&w, cells) : -errno;
}

void trails__end(const struct memleak_process *p)
{
	CLEANUP(end_writing) struct writing w = {.fd = -1};

	if (p->cells && !begin_writing(p->tgid, p->cells, &w))
		write_epoch(&w, p->cells);
}

void trails__leave(const struct deferred_tool *tool, const struct memleak_process *p)
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
