// SPDX-License-Identifier: GPL-2.0-or-later
/* Verdicts on heaps that are drawn here, word by word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/memleak.h"
#include "leakcheck/judge.h"
#include "leakcheck/locate.h"
#include "leakcheck/scan.h"
#include "util/cleanup.h"

#define BASE   0x10000000ULL
#define MAX    64
#define VTABLE 0x7000

/* A heap: blocks in order, and what is in memory. */
struct heap {
	struct judge_block blocks[MAX];
	uint32_t nr;
	uint64_t next; /* address */
	judge_edges edges;
	struct {
		uint64_t addr, value;
	} words[4 * MAX];
	size_t nr_words;
	struct judge_verdict verdicts[MAX];
};

static void release_heap(struct heap *h)
{
	vector_release(&h->edges);
}

#define HEAP(name) CLEANUP(release_heap) struct heap name = {.next = BASE}

static uint32_t block(struct heap *h, uint64_t size)
{
	h->blocks[h->nr] = (struct judge_block){h->next, size};
	h->next += (size + 31) & ~15ULL;
	return h->nr++;
}

static void set_word(struct heap *h, uint64_t addr, uint64_t value)
{
	h->words[h->nr_words].addr = addr;
	h->words[h->nr_words++].value = value;
}

static void points(struct heap *h, uint32_t source, uint64_t value)
{
	assert_int_equal(
		vector_push(&h->edges, ((struct judge_edge){.value = value, .source = source})), 0);
}

static void leads(struct heap *h, uint32_t source, uint32_t target)
{
	points(h, source, h->blocks[target].addr);
}

static bool get_word(void *context, uint64_t addr, uint64_t *ret)
{
	struct heap *h = context;
	size_t i;

	for (i = 0; i < h->nr_words; i++) {
		if (h->words[i].addr != addr)
			continue;
		*ret = h->words[i].value;
		return true;
	}
	return false;
}

static bool is_vtable(void *context, uint64_t addr)
{
	(void)context;
	return addr >= VTABLE && addr < VTABLE + 0x1000;
}

/* Judge, and compare with a letter for each block: Definite, Indirect, Possible, Reachable; small
 * letters are cycles. */
static void expect(struct heap *h, const char *letters)
{
	static const char of_verdict[] = {[PROFILE_VERDICT_NONE] = '?',
					  [PROFILE_VERDICT_DEFINITE] = 'D',
					  [PROFILE_VERDICT_INDIRECT] = 'I',
					  [PROFILE_VERDICT_POSSIBLE] = 'P',
					  [PROFILE_VERDICT_REACHABLE] = 'R'};
	struct judge_memory memory = {h, get_word, is_vtable};
	char got[MAX + 1] = "";
	uint32_t i;

	assert_int_equal(judge__run(h->blocks, h->nr, &h->edges, &memory, h->verdicts, NULL), 0);
	for (i = 0; i < h->nr; i++)
		got[i] = of_verdict[h->verdicts[i].verdict] | (h->verdicts[i].cycle ? 0x20 : 0);
	assert_string_equal(got, letters);
}

static void test_nothing(void **state)
{
	HEAP(h);

	(void)state;
	expect(&h, "");
	points(&h, JUDGE_ROOT, 4711);
	expect(&h, "");
}

static void test_chains(void **state)
{
	HEAP(h);
	int i;

	(void)state;
	for (i = 0; i < 6; i++)
		block(&h, 64);
	leads(&h, JUDGE_ROOT, 0);
	leads(&h, 0, 1);
	leads(&h, 2, 3);
	leads(&h, 3, 4);
	expect(&h, "RRDIID");
}

static void test_interior(void **state)
{
	HEAP(h);
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		block(&h, 64);
	points(&h, JUDGE_ROOT, h.blocks[0].addr + 63);
	leads(&h, 0, 1);
	points(&h, JUDGE_ROOT, h.blocks[2].addr + 64); /* behind it */
	points(&h, JUDGE_ROOT, h.blocks[3].addr - 1);
	points(&h, 3, h.blocks[4].addr + 8); /* among the lost any pointer counts */
	expect(&h, "PPDDI");
	leads(&h, JUDGE_ROOT, 1);
	expect(&h, "PRDDI");
}

static void test_empty_block(void **state)
{
	HEAP(h);

	(void)state;
	block(&h, 0);
	block(&h, 0);
	leads(&h, JUDGE_ROOT, 0);
	expect(&h, "RD");
}

static void test_cycles(void **state)
{
	HEAP(h);
	int i;

	(void)state;
	for (i = 0; i < 8; i++)
		block(&h, 64);
	leads(&h, 0, 1);
	leads(&h, 1, 2);
	leads(&h, 2, 0);
	leads(&h, 2, 3); /* led to by the cycle */
	leads(&h, 4, 5); /* in front of a cycle */
	leads(&h, 5, 6);
	leads(&h, 6, 5);
	leads(&h, 7, 7);
	expect(&h, "diiIDIID");
	assert_true(h.verdicts[7].points_to_itself);
	assert_false(h.verdicts[0].points_to_itself);
}

/* Valgrind's order: the head of the cycle is met before the block that leads into it. */
static void test_cycle_entered_late(void **state)
{
	HEAP(h);
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		block(&h, 64);
	leads(&h, 0, 1);
	leads(&h, 1, 0);
	leads(&h, 2, 1);
	expect(&h, "DID");
	leads(&h, 2, 0);
	expect(&h, "IID");
}

static void test_heuristics(void **state)
{
	HEAP(h);
	int i;

	(void)state;
	for (i = 0; i < 8; i++)
		block(&h, 45);
	/* std::string: length, capacity */
	points(&h, JUDGE_ROOT, h.blocks[0].addr + 24);
	set_word(&h, h.blocks[0].addr, 11);
	set_word(&h, h.blocks[0].addr + 8, 20);
	points(&h, JUDGE_ROOT, h.blocks[1].addr + 24);
	set_word(&h, h.blocks[1].addr, 21);
	set_word(&h, h.blocks[1].addr + 8, 20);
	/* length */
	points(&h, JUDGE_ROOT, h.blocks[2].addr + 8);
	set_word(&h, h.blocks[2].addr, 37);
	/* new[] */
	h.blocks[3].size = 8 + 4 * 9;
	points(&h, JUDGE_ROOT, h.blocks[3].addr + 8);
	set_word(&h, h.blocks[3].addr, 4);
	points(&h, JUDGE_ROOT, h.blocks[4].addr + 8);
	set_word(&h, h.blocks[4].addr, 5);
	/* two bases */
	points(&h, JUDGE_ROOT, h.blocks[5].addr + 16);
	set_word(&h, h.blocks[5].addr, VTABLE + 8);
	set_word(&h, h.blocks[5].addr + 16, VTABLE + 64);
	points(&h, JUDGE_ROOT, h.blocks[6].addr + 16);
	set_word(&h, h.blocks[6].addr, VTABLE + 8);
	set_word(&h, h.blocks[6].addr + 16, 1);
	/* unreadable */
	points(&h, JUDGE_ROOT, h.blocks[7].addr + 8);
	expect(&h, "RPRRPRPP");
}

static void test_arena(void **state)
{
	HEAP(h);

	(void)state;
	block(&h, 24);
	block(&h, 24);
	points(&h, JUDGE_ARENA, h.blocks[0].addr + 16);
	points(&h, JUDGE_ROOT, h.blocks[1].addr + 16);
	expect(&h, "DP");
	points(&h, JUDGE_ARENA, h.blocks[0].addr);
	expect(&h, "RP");
}

/* What keeps a block is one of the shortest chains to it, whichever way it was found. */
static void test_kept(void **state)
{
	struct judge_link chains[MAX];
	struct judge_verdict verdicts[MAX];
	HEAP(h);
	struct judge_memory memory = {&h, get_word, is_vtable};
	int i;

	(void)state;
	for (i = 0; i < 6; i++)
		block(&h, 64);
	points(&h, JUDGE_ROOT, h.blocks[0].addr);
	points(&h, 0, h.blocks[1].addr);
	points(&h, 1, h.blocks[2].addr);
	points(&h, 2, h.blocks[3].addr);
	points(&h, 0, h.blocks[3].addr); /* the short way */
	points(&h, 3, h.blocks[0].addr); /* and back */
	points(&h, 4, h.blocks[4].addr);
	points(&h, JUDGE_ROOT, h.blocks[5].addr + 8); /* explained below */
	set_word(&h, h.blocks[5].addr, 56);
	for (i = 0; i < (int)h.edges.count; i++)
		h.edges.items[i].where = 100 + i;
	assert_int_equal(judge__run(h.blocks, h.nr, &h.edges, &memory, verdicts, chains), 0);
	assert_int_equal(verdicts[4].verdict, PROFILE_VERDICT_DEFINITE);
	assert_memory_equal(&chains[0], (&(struct judge_link){JUDGE_ROOT, 100, 0, 0}),
			    sizeof(chains[0]));
	assert_memory_equal(&chains[2], (&(struct judge_link){1, 102, 0, 2}), sizeof(chains[0]));
	assert_memory_equal(&chains[3], (&(struct judge_link){0, 104, 0, 1}), sizeof(chains[0]));
	assert_memory_equal(&chains[5], (&(struct judge_link){JUDGE_ROOT, 107, 5, 0}),
			    sizeof(chains[0]));
}

/* As deep and as wide as it gets: no recursion, no quadratic step. */
static void test_large(void **state)
{
	enum { N = 400000 };
	struct judge_block *blocks = calloc(N, sizeof(*blocks));
	struct judge_verdict *verdicts = calloc(N, sizeof(*verdicts));
	struct judge_memory memory = {NULL, get_word, is_vtable};
	judge_edges edges = {0};
	uint32_t i;

	(void)state;
	for (i = 0; i < N; i++)
		blocks[i] = (struct judge_block){BASE + i * 64ULL, 48};
	for (i = 0; i < N; i++) {
		struct judge_edge next = {blocks[(i + 1) % N].addr, i, 0};
		struct judge_edge first = {blocks[0].addr, i, 0};

		assert_int_equal(vector_push(&edges, next), 0);
		assert_int_equal(vector_push(&edges, first), 0);
	}
	assert_int_equal(judge__run(blocks, N, &edges, &memory, verdicts, NULL), 0);
	for (i = 0; i < N; i++) {
		assert_int_equal(verdicts[i].verdict,
				 i ? PROFILE_VERDICT_INDIRECT : PROFILE_VERDICT_DEFINITE);
		assert_true(verdicts[i].cycle);
	}
	vector_release(&edges);
	free(blocks);
	free(verdicts);
}

/* What the locator finds is what a search finds: dense and thin heaps, large blocks, edges. */
static void test_locate(void **state)
{
	enum { N = 20000 };
	static const uint64_t gaps[] = {0, 16, 100, 5000, 3 << 20, 1ULL << 36};
	static const uint64_t sizes[] = {0, 1, 24, 4096, 70000, 5 << 20};
	struct judge_block *blocks = calloc(N, sizeof(*blocks));
	struct locator *l = NULL;
	uint64_t addr = BASE, seed = 1;
	uint32_t i, k;

	(void)state;
	for (i = 0; i < N; i++) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		/* Now and then far apart. */
		k = seed >> 40 & 1023;
		addr += gaps[k < 4 ? 2 + k : k & 1];
		blocks[i] = (struct judge_block){addr, sizes[k % 97 ? k & 3 : k % 6]};
		addr += (blocks[i].size ? blocks[i].size : 1) + (seed >> 60);
	}
	assert_int_equal(locator__create(blocks, N, &l), 0);
	for (i = 0; i < N; i++) {
		const struct judge_block *b = &blocks[i];
		uint64_t at[] = {b->addr - 1,		b->addr,	   b->addr + 1,
				 b->addr + b->size - 1, b->addr + b->size, b->addr + b->size / 2,
				 b->addr + (2 << 20),	b->addr | 0xfff,   b->addr ^ 1ULL << 47};

		for (k = 0; k < ARRAY_SIZE(at); k++)
			assert_int_equal(locator__find(l, at[k]), judge__find(blocks, N, at[k]));
	}
	assert_int_equal(locator__find(l, UINT64_MAX), UINT32_MAX);
	locator__destroy(l);
	assert_int_equal(locator__create(NULL, 0, &l), 0);
	assert_int_equal(locator__find(l, BASE), UINT32_MAX);
	locator__destroy(l);
	free(blocks);
}

/* --- scan --- */

#define HEAP_WORDS 512 /* a page */

struct page {
	uint64_t words[HEAP_WORDS];
	struct judge_block blocks[MAX];
	uint32_t nr;
	uint64_t next; /* where the next chunk begins */
	struct scan *scan;
	const judge_edges *edges;
};

static void release_page(struct page *p)
{
	scan__destroy(p->scan);
}

/* A chunk of glibc's, in use (a block) or not. Returns the first word of its content. */
static uint64_t *chunk(struct page *p, uint64_t size, uint64_t asked)
{
	uint64_t *words = &p->words[(p->next - BASE) / 8];

	words[1] = size | 1;
	if (asked)
		p->blocks[p->nr++] = (struct judge_block){p->next + 16, asked};
	p->next += size;
	return words + 2;
}

/* As the sweep does it. */
static int scan_words(struct scan *s, uint64_t addr, const uint64_t *words, size_t nr)
{
	uint64_t bits[SCAN_FILTER_SIZE(HEAP_WORDS)];

	scan__filter(s, words, nr, bits);
	return scan__words(s, addr, words, bits, nr);
}

static void scan_page(struct page *p, enum scan_kind kind, size_t cut)
{
	assert_int_equal(scan__create(0, &p->scan), 0);
	assert_int_equal(scan__set_blocks(p->scan, p->blocks, p->nr), 0);
	scan__begin(p->scan, BASE, BASE + sizeof(p->words), kind);
	assert_int_equal(scan_words(p->scan, BASE, p->words, cut), 0);
	assert_int_equal(scan_words(p->scan, BASE + cut * 8, p->words + cut, HEAP_WORDS - cut), 0);
	assert_int_equal(scan__finish(p->scan, &p->edges), 0);
}

static size_t count_edges(const struct page *p, uint64_t value, uint32_t source)
{
	size_t i, n = 0;

	for (i = 0; i < p->edges->count; i++)
		n += p->edges->items[i].value == value && p->edges->items[i].source == source;
	return n;
}

static void test_gaps(void **state)
{
	size_t cut;

	(void)state;
	for (cut = 1; cut < HEAP_WORDS; cut++) {
		CLEANUP(release_page) struct page p = {.next = BASE};
		uint64_t first;

		chunk(&p, 0x290, 0);
		*chunk(&p, 0x40, 50) = 5;
		first = p.blocks[0].addr;
		chunk(&p, 0x60, 0)[3] = first; /* free: no reference */
		*chunk(&p, 0x20, 24) = first;
		chunk(&p, BASE + 4096 - p.next, 0)[2] = first; /* the top */
		scan_page(&p, SCAN_HEAP, cut);
		assert_int_equal(p.edges->count, 1);
		assert_int_equal(count_edges(&p, first, 1), 1);
	}
}

static void test_gaps_as_roots(void **state)
{
	CLEANUP(release_page) struct page p = {.next = BASE};

	(void)state;
	chunk(&p, 0x40, 50);
	chunk(&p, 0x60, 0)[3] = BASE + 16;
	chunk(&p, BASE + 4096 - p.next, 0);
	scan_page(&p, SCAN_ROOTS, 7);
	assert_int_equal(count_edges(&p, BASE + 16, JUDGE_ROOT), 1);
}

/* Where the chain of chunks breaks, what lies there is not the allocator's. */
static void test_foreign_memory(void **state)
{
	CLEANUP(release_page) struct page p = {.next = BASE};
	uint64_t *foreign;

	(void)state;
	chunk(&p, 0x40, 50);
	foreign = chunk(&p, 0x60, 0);
	foreign[-1] = 0x12345;
	foreign[3] = BASE + 16;
	chunk(&p, 0x40, 50);
	chunk(&p, 0x60, 0)[3] = BASE + 16; /* the chain goes on behind a block */
	chunk(&p, 0x40, 50);
	chunk(&p, BASE + 4096 - p.next, 0);
	scan_page(&p, SCAN_HEAP, 9);
	assert_int_equal(count_edges(&p, BASE + 16, JUDGE_ROOT), 1);
	assert_int_equal(p.edges->count, 1);
}

static void test_arena_words(void **state)
{
	CLEANUP(release_page) struct page p = {.next = BASE};
	uint64_t *bins = p.words + 64, i;

	(void)state;
	p.blocks[p.nr++] = (struct judge_block){BASE + 3072, 24};
	p.words[40] = BASE + 3072 + 16; /* somebody's own variable */
	bins[-2] = BASE + 3072 + 16;	/* the top */
	for (i = 0; i < 254; i += 2)
		bins[i] = bins[i + 1] = BASE + (64 + i) * 8 - 16;
	bins[10] = bins[11] = BASE + 3072 + 16;
	scan_page(&p, SCAN_ROOTS, 1);
	assert_int_equal(count_edges(&p, BASE + 3072 + 16, JUDGE_ROOT), 1);
	assert_int_equal(count_edges(&p, BASE + 3072 + 16, JUDGE_ARENA), 3);
}

/* Blocks that lie as they like, and words that a block has a part of. */
static void test_odd_blocks(void **state)
{
	size_t cut;

	(void)state;
	for (cut = 1; cut < HEAP_WORDS; cut++) {
		CLEANUP(release_page) struct page p = {.next = BASE};
		size_t i;

		for (i = 0; i < HEAP_WORDS; i++)
			p.words[i] = BASE + 3;
		p.blocks[0] = (struct judge_block){BASE + 3, 2};
		p.blocks[1] = (struct judge_block){BASE + 13, 30}; /* whole: words 2 to 4 */
		p.blocks[2] = (struct judge_block){BASE + 43, 0};  /* in word 5 */
		p.blocks[3] = (struct judge_block){BASE + 44, 4};  /* up to its end */
		p.blocks[4] = (struct judge_block){BASE + 400, ~0ULL - 400}; /* no end */
		p.nr = 5;
		scan_page(&p, SCAN_ROOTS, cut);
		assert_int_equal(count_edges(&p, BASE + 3, 1), 3);
		assert_int_equal(count_edges(&p, BASE + 3, 2), 0);
		assert_int_equal(count_edges(&p, BASE + 3, 3), 0);
	}
}

/* Gaps of a heap are roots, or not, where a root holds @root. */
static void check_in_flight(uint64_t root, size_t gaps)
{
	CLEANUP(release_page) struct page p = {.next = BASE};

	chunk(&p, 0x40, 50);
	chunk(&p, 0x60, 0)[3] = BASE + 16;
	chunk(&p, BASE + 4096 - p.next, 0);
	assert_int_equal(scan__create(0, &p.scan), 0);
	assert_int_equal(scan__set_blocks(p.scan, p.blocks, p.nr), 0);
	scan__set_trampoline(p.scan, 0x7fff0000, 0x7fff1000);
	scan__begin(p.scan, BASE, BASE + 4096, SCAN_HEAP);
	assert_int_equal(scan_words(p.scan, BASE, p.words, HEAP_WORDS), 0);
	scan__begin(p.scan, BASE + 8192, BASE + 8200, SCAN_ROOTS);
	assert_int_equal(scan_words(p.scan, BASE + 8192, &root, 1), 0);
	assert_int_equal(scan__finish(p.scan, &p.edges), 0);
	assert_int_equal(count_edges(&p, BASE + 16, JUDGE_ROOT), gaps);
}

static void test_in_flight(void **state)
{
	(void)state;
	check_in_flight(0x7fff0008, 1);
	check_in_flight(MEMLEAK_IN_REALLOC, 1);
	check_in_flight(0x7fff1000, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),	       cmocka_unit_test(test_chains),
		cmocka_unit_test(test_interior),       cmocka_unit_test(test_empty_block),
		cmocka_unit_test(test_cycles),	       cmocka_unit_test(test_cycle_entered_late),
		cmocka_unit_test(test_heuristics),     cmocka_unit_test(test_arena),
		cmocka_unit_test(test_chains),	       cmocka_unit_test(test_kept),
		cmocka_unit_test(test_large),	       cmocka_unit_test(test_locate),
		cmocka_unit_test(test_gaps),	       cmocka_unit_test(test_gaps_as_roots),
		cmocka_unit_test(test_foreign_memory), cmocka_unit_test(test_arena_words),
		cmocka_unit_test(test_odd_blocks),     cmocka_unit_test(test_in_flight),
	};

	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
