// SPDX-License-Identifier: GPL-2.0-or-later
#include "leakcheck/sweep.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/cleanup.h"

#define WORD	    8
#define MAX_WORKERS 4 /* with the caller; more wait for each other at the scan */

struct worker {
	struct sweep *sweep;
	uint64_t *buffer; /* SWEEP_PIECE bytes */
	uint64_t bits[SCAN_FILTER_SIZE(SWEEP_PIECE / WORD)];
	pthread_t thread; /* of all but the first */
	bool started;
};

struct sweep {
	pid_t reader;
	int mem_fd;
	uint64_t page;
	struct worker workers[MAX_WORKERS];
	size_t nr_workers;
	pthread_mutex_t lock;	/* of all that follows */
	pthread_cond_t changed; /* running, cancelled, turn */
	bool running, cancelled;
	sweep_next_fn *next;
	void *context;
	struct scan *scan;
	uint64_t taken; /* pieces that were handed out */
	uint64_t turn;	/* the one whose words the scan gets next */
	bool exhausted;
	int err; /* the first */
	struct sweep_counts counts;
};

size_t sweep__read(pid_t reader, int mem_fd, uint64_t addr, void *buf, size_t size)
{
	struct iovec local = {buf, size}, remote = {(void *)(uintptr_t)addr, size};
	ssize_t n = process_vm_readv(reader, &local, 1, &remote, 1, 0);

	if (n <= 0)
		n = pread(mem_fd, buf, size, addr);
	return n < 0 ? 0 : n;
}

/* Fill @buffer with the piece. Returns the bytes that could not be read. */
static uint64_t read_piece(const struct sweep *s, const struct sweep_piece *p, char *buffer)
{
	uint64_t addr = p->start, unread = 0;

	while (addr < p->end) {
		char *to = buffer + (addr - p->start);
		size_t got = sweep__read(s->reader, s->mem_fd, addr, to, p->end - addr);

		got &= ~(size_t)(WORD - 1);
		if (!got) {
			/* Gone, or memory that nobody else may see: on with the next page. */
			got = s->page - addr % s->page;
			got = got < p->end - addr ? got : p->end - addr;
			memset(to, 0, got);
			unread += got;
		}
		addr += got;
	}
	return unread;
}

/* The next piece and its number; false where there is no more to do. Called with the lock. */
static bool take(struct sweep *s, struct sweep_piece *p, uint64_t *number)
{
	int n;

	if (s->exhausted || s->err)
		return false;
	n = s->next(s->context, p);
	if (n < 0)
		s->err = n;
	s->exhausted = n == 0;
	*number = s->taken;
	s->taken += n > 0;
	return n > 0;
}

static int tell(struct sweep *s, const struct sweep_piece *p, const struct worker *w)
{
	if (p->begins)
		scan__begin(s->scan, p->mapping_start, p->mapping_end, p->kind);
	return scan__words(s->scan, p->start, w->buffer, w->bits, (p->end - p->start) / WORD);
}

/* Pieces, until there are no more. Called with the lock, which guards no scan: whose turn it is
 * has it alone. */
static void work(struct worker *w)
{
	struct sweep *s = w->sweep;
	struct sweep_piece p;
	uint64_t number, unread;
	bool failed;
	int err = 0;

	while (take(s, &p, &number)) {
		pthread_mutex_unlock(&s->lock);
		unread = read_piece(s, &p, (char *)w->buffer);
		scan__filter(s->scan, w->buffer, (p.end - p.start) / WORD, w->bits);
		pthread_mutex_lock(&s->lock);
		while (s->turn != number)
			pthread_cond_wait(&s->changed, &s->lock);
		failed = s->err;
		pthread_mutex_unlock(&s->lock);
		if (!failed)
			err = tell(s, &p, w);
		pthread_mutex_lock(&s->lock);
		if (err && !s->err)
			s->err = err;
		s->counts.unread += unread;
		s->counts.read += p.end - p.start - unread;
		s->turn++;
		pthread_cond_broadcast(&s->changed);
	}
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;
	struct sweep *s = w->sweep;

	setpriority(PRIO_PROCESS, 0, -20); /* this thread's: a process waits for it */
	pthread_mutex_lock(&s->lock);
	while (!s->running && !s->cancelled)
		pthread_cond_wait(&s->changed, &s->lock);
	if (s->running)
		work(w);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static size_t count_processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return CPU_COUNT(&set) < MAX_WORKERS ? CPU_COUNT(&set) : MAX_WORKERS;
}

static void cleanup_sweep(struct sweep **s)
{
	sweep__destroy(*s);
}

int sweep__create(pid_t reader, int mem_fd, struct sweep **ret)
{
	CLEANUP(cleanup_sweep) struct sweep *s = calloc(1, sizeof(*s));
	size_t i;

	if (!s)
		return -ENOMEM;
	s->reader = reader;
	s->mem_fd = mem_fd;
	s->page = sysconf(_SC_PAGESIZE);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->nr_workers = count_processors();
	for (i = 0; i < s->nr_workers; i++) {
		struct worker *w = &s->workers[i];

		w->sweep = s;
		w->buffer = malloc(SWEEP_PIECE);
		if (!w->buffer)
			return -ENOMEM;
		memset(w->buffer, 0, SWEEP_PIECE); /* touched now */
		/* Where there can be no thread, the others do its work. */
		w->started = i && !pthread_create(&w->thread, NULL, run_worker, w);
	}
	*ret = TAKE_PTR(s);
	return 0;
}

static void join_workers(struct sweep *s)
{
	size_t i;

	for (i = 0; i < s->nr_workers; i++) {
		if (s->workers[i].started)
			pthread_join(s->workers[i].thread, NULL);
		s->workers[i].started = false;
	}
}

void sweep__destroy(struct sweep *s)
{
	size_t i;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->cancelled = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	join_workers(s);
	for (i = 0; i < s->nr_workers; i++)
		free(s->workers[i].buffer);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int sweep__run(struct sweep *s, sweep_next_fn *next, void *context, struct scan *scan,
	       struct sweep_counts *ret)
{
	pthread_mutex_lock(&s->lock);
	s->next = next;
	s->context = context;
	s->scan = scan;
	s->running = true;
	pthread_cond_broadcast(&s->changed);
	work(&s->workers[0]);
	pthread_mutex_unlock(&s->lock);
	join_workers(s);
	*ret = s->counts;
	return s->err;
}
