// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The problem: a heap as a directed graph, some of whose nodes the program can reach.
 *
 * A pointer is one to the *start* of a block or an *interior* one; some shapes of data explain an
 * interior pointer, which then counts as one to the start (the heuristics of Valgrind, in
 * mc_leakcheck.c). What start pointers lead to from the roots is reachable; what else pointers of
 * any kind lead to is possibly lost; the rest is lost.
 *
 * Among the lost, in order of address, each block that is not yet in somebody's *clique* heads one
 * and takes in what it leads to, other heads included: heads are definitely lost, members
 * indirectly. The order is Valgrind's and shows where a lost block leads into a cycle at a member
 * that is in a clique already: the head of the cycle stays one.
 *
 * Apart from that, strongly connected components (Tarjan's algorithm, SIAM J. Comput. 1, 1972, with
 * a stack of its own) tell the cycles.
 */
#include "leakcheck/judge.h"

#include <errno.h>
#include <string.h>

#include "leakcheck/locate.h"
#include "util/cleanup.h"

#define NOBODY UINT32_MAX
#define WORD   8

/* How many interior pointers are looked at with the heuristics; more stay unexplained. */
#define MAX_GUESSES (1U << 20)

/* Where an edge leads. */
struct link {
	uint32_t target;
	uint32_t offset; /* in the target; UINT32_MAX: that far or farther */
};

/* An interior pointer: link @link, of @source. */
struct interior {
	uint32_t source, link;
};

/* The lists of pending work, and what is known of each block. */
struct court {
	const struct judge_block *blocks;
	uint32_t nr;
	const struct judge_memory *memory;
	uint32_t *first; /* links of block i: first[i] to first[i + 1]; those of roots at [nr] */
	struct link *links;
	uint32_t *wheres; /* by link; NULL: chains are not asked for */
	struct judge_link *chains;
	uint32_t *work; /* a stack or a queue of blocks, each at most once at a time */
	uint32_t nr_work, done;
	VECTOR(struct interior) interior; /* met from what is reachable, targets not reached then */
	uint32_t guesses;
	struct judge_verdict *verdicts;
};

static void release_court(struct court *c)
{
	free(c->first);
	free(c->links);
	free(c->wheres);
	free(c->work);
	vector_release(&c->interior);
}

uint32_t judge__find(const struct judge_block *blocks, uint32_t nr, uint64_t addr)
{
	uint32_t low = 0, high = nr;

	/* The first block behind addr. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (blocks[middle].addr <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NOBODY;
	low--;
	return addr - blocks[low].addr < (blocks[low].size ? blocks[low].size : 1) ? low : NOBODY;
}

/*
 * glibc's bins and its top point at the header of a chunk, whose first word is also the last of the
 * block before.
 */
static bool is_next_header(const struct judge_block *b, uint64_t value)
{
	return value % 16 == 0 && value > b->addr && b->addr + b->size - value <= WORD;
}

static uint32_t source_index(const struct court *c, const struct judge_edge *e)
{
	return e->source < c->nr ? e->source : c->nr;
}

static void cleanup_locator(struct locator **l)
{
	locator__destroy(*l);
}

/* Find the targets; links by source, in the order of the edges. */
static int build_links(struct court *c, const judge_edges *edges)
{
	CLEANUP(cleanup_locator) struct locator *locator = NULL;
	CLEANUP_FREE uint32_t *targets = NULL;
	uint32_t total = 0;
	size_t i;

	if (locator__create(c->blocks, c->nr, &locator))
		return -ENOMEM;
	targets = reallocarray(NULL, edges->count + 1, sizeof(*targets));
	c->first = calloc((size_t)c->nr + 2, sizeof(*c->first));
	if (!targets || !c->first)
		return -ENOMEM;
	for (i = 0; i < edges->count; i++) {
		const struct judge_edge *e = &edges->items[i];
		uint32_t t = locator__find(locator, e->value);

		if (t != NOBODY && e->source == JUDGE_ARENA &&
		    is_next_header(&c->blocks[t], e->value))
			t = NOBODY;
		targets[i] = t;
		if (t != NOBODY)
			c->first[source_index(c, e)]++;
	}
	for (i = 0; i <= (size_t)c->nr + 1; i++) {
		uint32_t n = c->first[i];

		c->first[i] = total;
		total += n;
	}
	c->links = reallocarray(NULL, (size_t)total + 1, sizeof(*c->links));
	if (c->chains)
		c->wheres = calloc((size_t)total + 1, sizeof(*c->wheres));
	if (!c->links || (c->chains && !c->wheres))
		return -ENOMEM;
	for (i = 0; i < edges->count; i++) {
		const struct judge_edge *e = &edges->items[i];
		uint64_t offset;

		if (targets[i] == NOBODY)
			continue;
		offset = e->value - c->blocks[targets[i]].addr;
		if (c->wheres)
			c->wheres[c->first[source_index(c, e)]] = e->where;
		c->links[c->first[source_index(c, e)]++] = (struct link){
			.target = targets[i],
			.offset = offset < UINT32_MAX ? offset : UINT32_MAX,
		};
	}
	/* Each start has moved to the next one's: back. */
	memmove(c->first + 1, c->first, ((size_t)c->nr + 1) * sizeof(*c->first));
	c->first[0] = 0;
	return 0;
}

/* --- the heuristics --- */

static bool read_word(const struct court *c, uint64_t addr, uint64_t *ret)
{
	return addr % WORD == 0 && c->memory->word(c->memory->context, addr, ret);
}

/* The string of libstdc++ before C++11: length, capacity, references, then the characters. */
static bool is_string(const struct court *c, const struct judge_block *b)
{
	uint64_t length, capacity;

	return read_word(c, b->addr, &length) && read_word(c, b->addr + WORD, &capacity) &&
	       length <= capacity && b->size > 3 * WORD && capacity == b->size - 3 * WORD - 1;
}

static bool is_after_length(const struct judge_block *b, uint64_t head)
{
	return head && b->size >= WORD && head == b->size - WORD;
}

/* new[] of a class with a destructor keeps the number of elements before them. */
static bool is_after_cookie(const struct judge_block *b, uint64_t head)
{
	return head && b->size >= WORD && (b->size - WORD) % head == 0;
}

/* A base class that is not the first has a vtable pointer of its own. */
static bool is_base_class(const struct court *c, const struct judge_block *b, uint64_t offset)
{
	uint64_t first, inner;

	return b->size >= WORD && offset <= b->size - WORD && read_word(c, b->addr, &first) &&
	       read_word(c, b->addr + offset, &inner) &&
	       c->memory->is_vtable(c->memory->context, first) &&
	       c->memory->is_vtable(c->memory->context, inner);
}

static bool is_explained(struct court *c, const struct link *l)
{
	const struct judge_block *b = &c->blocks[l->target];
	uint64_t head;

	if (c->guesses >= MAX_GUESSES)
		return false;
	c->guesses++;
	if (l->offset == 3 * WORD && is_string(c, b))
		return true;
	if (l->offset == WORD && read_word(c, b->addr, &head) &&
	    (is_after_length(b, head) || is_after_cookie(b, head)))
		return true;
	return is_base_class(c, b, l->offset);
}

/* --- what the program can reach --- */

static void push(struct court *c, uint32_t block, enum profile_verdict verdict)
{
	c->verdicts[block].verdict = verdict;
	c->work[c->nr_work++] = block;
}

static bool is_reached(const struct court *c, uint32_t block)
{
	return c->verdicts[block].verdict == PROFILE_VERDICT_REACHABLE;
}

/* Link @link of @source reaches its target. */
static void reach(struct court *c, uint32_t source, uint32_t link)
{
	uint32_t target = c->links[link].target;
	bool first = source == c->nr;

	push(c, target, PROFILE_VERDICT_REACHABLE);
	if (!c->chains)
		return;
	c->chains[target] = (struct judge_link){
		.parent = first ? JUDGE_ROOT : source,
		.where = c->wheres[link],
		.head = first ? target : c->chains[source].head,
		.depth = first ? 0 : c->chains[source].depth + 1,
	};
}

/* Follow the start pointers of @source, keep the others for later. */
static int follow_starts(struct court *c, uint32_t source)
{
	uint32_t i;
	int err;

	for (i = c->first[source]; i < c->first[source + 1]; i++) {
		const struct link *l = &c->links[i];

		if (is_reached(c, l->target))
			continue;
		if (!l->offset) {
			reach(c, source, i);
			continue;
		}
		err = vector_push(&c->interior, ((struct interior){source, i}));
		if (err)
			return err;
	}
	return 0;
}

/* First come, first served: so chains are short. */
static int drain_starts(struct court *c)
{
	int err = 0;

	while (c->done < c->nr_work && !err)
		err = follow_starts(c, c->work[c->done++]);
	return err;
}

static int find_reachable(struct court *c)
{
	int err = follow_starts(c, c->nr);
	size_t i;

	if (!err)
		err = drain_starts(c);
	/* The list grows while it is worked on. */
	for (i = 0; i < c->interior.count && !err; i++) {
		struct interior in = c->interior.items[i];
		const struct link *l = &c->links[in.link];

		if (is_reached(c, l->target) || !is_explained(c, l))
			continue;
		reach(c, in.source, in.link);
		err = drain_starts(c);
	}
	c->nr_work = c->done = 0;
	return err;
}

static void find_possible(struct court *c)
{
	size_t i;

	for (i = 0; i < c->interior.count; i++) {
		uint32_t target = c->links[c->interior.items[i].link].target;

		if (!c->verdicts[target].verdict)
			push(c, target, PROFILE_VERDICT_POSSIBLE);
	}
	while (c->nr_work) {
		uint32_t source = c->work[--c->nr_work], k;

		for (k = c->first[source]; k < c->first[source + 1]; k++)
			if (!c->verdicts[c->links[k].target].verdict)
				push(c, c->links[k].target, PROFILE_VERDICT_POSSIBLE);
	}
}

/* --- the lost --- */

static bool is_lost(const struct court *c, uint32_t block)
{
	return c->verdicts[block].verdict == PROFILE_VERDICT_DEFINITE ||
	       c->verdicts[block].verdict == PROFILE_VERDICT_INDIRECT;
}

static void take_in(struct court *c, uint32_t head)
{
	uint32_t source = head, k;

	for (;;) {
		for (k = c->first[source]; k < c->first[source + 1]; k++) {
			uint32_t target = c->links[k].target;

			if (target == head ||
			    c->verdicts[target].verdict != PROFILE_VERDICT_DEFINITE)
				continue;
			push(c, target, PROFILE_VERDICT_INDIRECT);
		}
		if (!c->nr_work)
			return;
		source = c->work[--c->nr_work];
	}
}

static void find_heads(struct court *c)
{
	uint32_t i;

	/* Nobody has a verdict yet: each is a head until somebody leads to it. */
	for (i = 0; i < c->nr; i++)
		if (!c->verdicts[i].verdict)
			c->verdicts[i].verdict = PROFILE_VERDICT_DEFINITE;
	for (i = 0; i < c->nr; i++)
		if (c->verdicts[i].verdict == PROFILE_VERDICT_DEFINITE)
			take_in(c, i);
}

/* --- cycles among the lost --- */

struct component {
	uint32_t size;
	bool entered; /* from another component */
};

struct tarjan {
	uint32_t *number; /* in order of discovery, from 1; 0: not met */
	uint32_t *low;	  /* the smallest number known to be in the same component */
	uint32_t *component;
	uint32_t *next; /* the next link to follow */
	uint32_t *open; /* met, component not closed */
	uint32_t nr_open, count;
	VECTOR(struct component) components;
};

static void release_tarjan(struct tarjan *t)
{
	free(t->number);
	free(t->low);
	free(t->component);
	free(t->next);
	free(t->open);
	vector_release(&t->components);
}

static int create_tarjan(struct tarjan *t, uint32_t nr)
{
	uint32_t **arrays[] = {&t->number, &t->low, &t->component, &t->next, &t->open};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(arrays); i++) {
		*arrays[i] = calloc((size_t)nr + 1, sizeof(uint32_t));
		if (!*arrays[i])
			return -ENOMEM;
	}
	return 0;
}

static void enter(struct court *c, struct tarjan *t, uint32_t block)
{
	t->number[block] = t->low[block] = ++t->count;
	t->component[block] = NOBODY;
	t->next[block] = c->first[block];
	t->open[t->nr_open++] = block;
	c->work[c->nr_work++] = block;
}

/* All of @block's component is met. */
static int close_component(struct tarjan *t, uint32_t block)
{
	struct component component = {0};
	uint32_t member;

	do {
		member = t->open[--t->nr_open];
		t->component[member] = t->components.count;
		component.size++;
	} while (member != block);
	return vector_push(&t->components, component);
}

/* One step from the block on top of the work list. */
static int step(struct court *c, struct tarjan *t)
{
	uint32_t block = c->work[c->nr_work - 1], target;
	int err = 0;

	if (t->next[block] < c->first[block + 1]) {
		target = c->links[t->next[block]++].target;
		if (!is_lost(c, target))
			return 0;
		if (!t->number[target])
			enter(c, t, target);
		else if (t->component[target] == NOBODY && t->number[target] < t->low[block])
			t->low[block] = t->number[target];
		return 0;
	}
	c->nr_work--;
	if (t->low[block] == t->number[block])
		err = close_component(t, block);
	else if (t->low[block] < t->low[c->work[c->nr_work - 1]])
		t->low[c->work[c->nr_work - 1]] = t->low[block];
	return err;
}

static void mark_cycles(struct court *c, struct tarjan *t)
{
	uint32_t i, k;

	for (i = 0; i < c->nr; i++) {
		for (k = c->first[i]; is_lost(c, i) && k < c->first[i + 1]; k++) {
			uint32_t target = c->links[k].target;

			if (target == i && !c->links[k].offset)
				c->verdicts[i].points_to_itself = true;
			if (is_lost(c, target) && t->component[target] != t->component[i])
				t->components.items[t->component[target]].entered = true;
		}
	}
	for (i = 0; i < c->nr; i++) {
		const struct component *own;

		if (!is_lost(c, i))
			continue;
		own = &t->components.items[t->component[i]];
		if (own->size > 1 && !own->entered)
			c->verdicts[i].cycle = t->component[i] + 1;
	}
}

static int find_cycles(struct court *c)
{
	CLEANUP(release_tarjan) struct tarjan t = {0};
	int err = create_tarjan(&t, c->nr);
	uint32_t i;

	for (i = 0; i < c->nr && !err; i++) {
		if (!is_lost(c, i) || t.number[i])
			continue;
		enter(c, &t, i);
		while (c->nr_work && !err)
			err = step(c, &t);
	}
	if (!err)
		mark_cycles(c, &t);
	return err;
}

int judge__run(const struct judge_block *blocks, uint32_t nr, const judge_edges *edges,
	       const struct judge_memory *memory, struct judge_verdict *ret,
	       struct judge_link *chains)
{
	CLEANUP(release_court)
	struct court c = {
		.blocks = blocks, .nr = nr, .memory = memory, .verdicts = ret, .chains = chains};
	int err;

	memset(ret, 0, nr * sizeof(*ret));
	c.work = reallocarray(NULL, (size_t)nr + 1, sizeof(*c.work));
	if (!c.work)
		return -ENOMEM;
	err = build_links(&c, edges);
	if (!err)
		err = find_reachable(&c);
	if (err)
		return err;
	find_possible(&c);
	find_heads(&c);
	return find_cycles(&c);
}
