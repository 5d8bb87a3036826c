// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * leaks CASE: a heap of one shape, left behind at the exit. What is lost and what is not is for
 * Valgrind to say.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define NOIPA __attribute__((noipa))

struct node {
	struct node *a, *b;
	char rest[48];
};

static void *volatile keep, *volatile keep2;
static __thread void *volatile keep_in_thread;

NOIPA static struct node *node(void)
{
	return calloc(1, sizeof(struct node));
}

/* What calls left behind on the stack is gone. */
NOIPA static void scrub(void)
{
	char rubbish[16384];

	memset(rubbish, 0, sizeof(rubbish));
	__asm__ volatile("" ::"r"(rubbish) : "memory");
}

NOIPA static void plain(void)
{
	malloc(10);
	malloc(100);
	malloc(0);
	keep = malloc(1000);
	keep2 = malloc(0);
}

NOIPA static void chain(void)
{
	struct node *first = node(), *n = first;
	int i;

	for (i = 0; i < 9; i++) {
		n->a = node();
		n = n->a;
	}
	keep = node();
	((struct node *)keep)->b = node();
}

NOIPA static struct node *grow(int depth)
{
	struct node *n = node();

	if (depth) {
		n->a = grow(depth - 1);
		n->b = grow(depth - 1);
	}
	return n;
}

NOIPA static void tree(void)
{
	grow(5);
	keep = grow(3);
	((struct node *)keep)->a = NULL;
}

/* A deep chain: nothing may recurse. */
NOIPA static void deep(void)
{
	struct node *n = NULL, *next;
	int i;

	for (i = 0; i < 100000; i++) {
		next = node();
		next->a = n;
		n = next;
	}
}

/* Such a chain that is no loss; the oldest one is its end. */
NOIPA static void held(void)
{
	int i;

	for (i = 0; i < 100000; i++) {
		struct node *n = malloc(sizeof(*n));

		memset(n, 0, sizeof(*n));
		n->a = keep;
		keep = n;
	}
}

NOIPA static struct node *ring(int nr)
{
	struct node *first = node(), *n = first;

	while (--nr) {
		n->a = node();
		n->a->b = n;
		n = n->a;
	}
	n->a = first;
	first->b = n;
	return first;
}

NOIPA static void cycle(void)
{
	ring(2);
	ring(5)->a->a = NULL;
	keep = ring(3);
	node()->a = NULL;
}

/* A cycle that leads to others, and one that a lost block leads to. */
NOIPA static void cycles(void)
{
	struct node *head = node(), *other = ring(3), *self = node();

	head->a = ring(4);
	other->rest[0] = 1;
	memcpy(other->rest + 8, &(struct node *){ring(2)}, sizeof(void *));
	self->a = self;
	self->b = node();
	ring(3);
	node()->b = ring(2);
}

NOIPA static void interior(void)
{
	struct node *n = node();
	char *text = malloc(100);

	keep = (char *)n + 16;
	n->a = node();
	n->a->b = node();
	keep2 = text + 99;
	malloc(40);
}

/* The pointer behind the end of a block is none to it. */
NOIPA static void behind(void)
{
	char *a = malloc(64), *b = malloc(64);

	keep = a + 64;
	keep2 = b - 8;
}

NOIPA static void length64(void)
{
	uint64_t *p = malloc(8 + 100);

	*p = 100;
	keep = p + 1;
	p = malloc(8 + 100);
	*p = 33; /* no divisor of 100 */
	keep2 = p + 1;
}

NOIPA static void *hold(void *barrier)
{
	void *volatile mine = malloc(123);

	keep_in_thread = malloc(77);
	malloc(33);
	scrub();
	pthread_barrier_wait(barrier);
	pause();
	return mine;
}

NOIPA static void *end(void *unused)
{
	void *volatile mine = malloc(321);

	(void)unused;
	keep2 = malloc(55);
	mine = NULL;
	return mine;
}

/* Threads that live at the exit, with a heap of their own, and one that has ended. */
NOIPA static void threads(void)
{
	static pthread_barrier_t barrier;
	pthread_t t;
	int i;

	pthread_barrier_init(&barrier, NULL, 4);
	for (i = 0; i < 3; i++)
		pthread_create(&t, NULL, hold, &barrier);
	pthread_barrier_wait(&barrier);
	pthread_create(&t, NULL, end, NULL);
	pthread_join(t, NULL);
}

static __thread void *keep_in_ended;

NOIPA static void *end_with_more(void *unused)
{
	void *volatile mine[4] = {malloc(61), malloc(62), (char *)malloc(63) + 7, malloc(64)};

	(void)unused;
	keep_in_ended = malloc(65);
	return mine[3];
}

/*
 * What the frames of an ended thread pointed to is lost, though its stack waits for the next
 * thread, and so is what its own data pointed to; its result still counts.
 */
NOIPA static void ended_thread(void)
{
	pthread_t threads[3];
	int i;

	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, end_with_more, NULL);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

NOIPA static void tls(void)
{
	static pthread_key_t key;

	keep_in_thread = malloc(77);
	pthread_key_create(&key, NULL);
	pthread_setspecific(key, malloc(88));
	malloc(99);
}

NOIPA static void in_register(void)
{
#ifdef __x86_64__
	register void *p __asm__("rbx") = malloc(1234);

	scrub();
	__asm__ volatile("syscall" ::"a"(SYS_exit_group), "D"(0), "r"(p));
#endif
}

NOIPA static void on_stack(void)
{
	void *volatile mine[3] = {malloc(10), malloc(20), (char *)malloc(30) + 5};

	malloc(40);
	scrub();
	if (mine[0])
		_exit(0);
}

static void handler(int signal)
{
	void *volatile mine = malloc(50);

	(void)signal;
	malloc(60);
	scrub();
	if (mine)
		_exit(0);
}

NOIPA static void in_handler(void)
{
	void *volatile mine = malloc(70);

	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	keep = mine;
}

NOIPA static void on_altstack(void)
{
	void *volatile mine = malloc(80);
	stack_t stack = {.ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
			 .ss_size = 65536};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	keep = mine;
}

static ucontext_t outer, inner;

static void coroutine(void)
{
	void *volatile mine = malloc(111);

	malloc(22);
	swapcontext(&inner, &outer);
	keep = mine;
}

/* A stack that nobody runs on now holds a pointer. */
NOIPA static void context(void)
{
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	getcontext(&inner);
	inner.uc_stack.ss_sp = stack;
	inner.uc_stack.ss_size = 65536;
	inner.uc_link = &outer;
	makecontext(&inner, coroutine, 0);
	swapcontext(&outer, &inner);
}

NOIPA static void mapped(void)
{
	void **page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	page[17] = malloc(17);
	page[18] = (char *)malloc(18) + 1;
	malloc(19);
}

NOIPA static void shared(void)
{
	void **page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	page[17] = malloc(17);
	malloc(19);
}

NOIPA static void library(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	void *handle;
	void **kept;

	path[n < 0 ? 0 : n] = 0;
	strcpy(strrchr(path, '/') + 1, "libkeeper.so");
	handle = dlopen(path, RTLD_NOW);
	kept = handle ? dlsym(handle, "keeper_kept") : NULL;
	if (!kept)
		abort();
	*kept = malloc(44);
	malloc(45);
}

/* The allocator's own pointers, and what freed memory still holds, are no references. */
NOIPA static void stale(void)
{
	struct node *holders[40];
	int i;

	for (i = 0; i < 40; i++) {
		holders[i] = malloc(100 + 50 * i);
		holders[i]->a = holders[i]->b = NULL;
		memset(holders[i]->rest, 0, sizeof(holders[i]->rest));
		memcpy(holders[i]->rest + 32, &(void *){malloc(24)}, sizeof(void *));
	}
	for (i = 0; i < 40; i++)
		free(holders[i]);
	memset(holders, 0, sizeof(holders));
}

/* Sizes whose last bytes the next chunk's header overlaps, with free chunks and the top behind. */
NOIPA static void overlaps(void)
{
	char *p;
	int i;

	for (i = 1; i < 60; i++) {
		p = malloc(24 + 16 * i);
		free(malloc(2000 + 32 * i));
		memset(p, 0, 24 + 16 * i);
	}
	p = NULL;
	malloc(3000);
	malloc(24);
}

NOIPA static void large(void)
{
	void **big = malloc(1 << 20), **lost = malloc(1 << 20);

	big[1000] = malloc(61);
	lost[1000] = malloc(62);
	keep = big;
	keep2 = aligned_alloc(4096, 8192);
	aligned_alloc(1024, 2048);
}

NOIPA static void reallocated(void)
{
	void **p = malloc(64);

	p[0] = malloc(30);
	p[7] = malloc(31);
	p = realloc(p, 4096);
	malloc(100);
	p = realloc(p, 16); /* p[7] is gone */
	keep = p;
}

NOIPA static void forked(void)
{
	malloc(51);
	if (fork() == 0) {
		malloc(52);
		keep2 = malloc(53);
		scrub();
		_exit(0);
	}
	wait(NULL);
}

/* Until somebody kills it: loses a block now and then. */
NOIPA static void service(void)
{
	keep = malloc(500);
	for (;;) {
		malloc(100);
		free(malloc(200));
		usleep(20000);
	}
}

/* As much as can be of what a leak check might stumble over: mappings, pointers to everywhere, what
 * looks like objects, and memory that comes and goes. */
static int nr_mappings = 60000;

NOIPA static void hostile(void)
{
	enum { BLOCKS = 20000 };
	uint64_t seed = 1;
	uint64_t **blocks = malloc(BLOCKS * sizeof(*blocks));
	char *pages = mmap(NULL, nr_mappings * 4096UL, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *sparse = mmap(NULL, 1UL << 40, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int i, k;

	for (i = 0; i < BLOCKS; i++)
		blocks[i] = malloc(64);
	for (i = 0; i < BLOCKS; i++) {
		for (k = 0; k < 8; k++) {
			uint64_t to[] = {(uint64_t)blocks[seed / 7 % BLOCKS] + seed % 64,
					 (uint64_t)hostile - seed % 8192, (uint64_t)&keep + seed % 4096,
					 seed, (uint64_t)blocks[i]};

			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			blocks[i][k] = to[(seed >> 33) % 5];
		}
		blocks[i][0] = (uint64_t)&environ - seed % 65536 / 8 * 8;
	}
	for (i = 0; i < nr_mappings; i += 2) {
		if (mprotect(pages + i * 4096UL, 4096, PROT_READ | PROT_WRITE))
			_exit(3); /* no more mappings than that */
		*(void **)(pages + i * 4096UL) = pages;
		if (sparse != MAP_FAILED)
			sparse[(seed + i) * 4096 % (1UL << 40)] = 1;
	}
	memset(blocks, 0, BLOCKS * sizeof(*blocks));
}

NOIPA static void sealed(void)
{
	void **page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	page[5] = malloc(66);
	mprotect(page, 4096, PROT_NONE);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"plain", plain},	{"chain", chain},	{"tree", tree},
	{"deep", deep},		{"held", held},		{"cycle", cycle},	{"cycles", cycles},
	{"interior", interior}, {"behind", behind},	{"length64", length64},
	{"threads", threads},	{"tls", tls},		{"in_register", in_register},
	{"on_stack", on_stack}, {"in_handler", in_handler}, {"on_altstack", on_altstack},
	{"context", context},	{"mapped", mapped},	{"shared", shared},
	{"library", library},	{"stale", stale},	{"overlaps", overlaps},
	{"large", large},	{"reallocated", reallocated}, {"forked", forked},
	{"ended_thread", ended_thread},
	{"sealed", sealed},	{"hostile", hostile}, {"service", service},
};

static int run(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, name))
			continue;
		cases[i].run();
		scrub();
		return 0;
	}
	return 2;
}

/* leaks CASE [abort|term|_exit|MAPPINGS]: how it ends, or how many a hostile one has */
int main(int argc, char **argv)
{
	int status;

	if (argc > 2 && atoi(argv[2]))
		nr_mappings = atoi(argv[2]);
	status = argc > 1 ? run(argv[1]) : 2;

	if (argc > 2 && !strcmp(argv[2], "abort"))
		abort();
	if (argc > 2 && !strcmp(argv[2], "term"))
		kill(getpid(), SIGTERM);
	if (argc > 2 && !strcmp(argv[2], "_exit"))
		_exit(status);
	return status;
}
