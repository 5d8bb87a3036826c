// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A word is kept if it lies in a 2 MiB granule that holds a part of a block.
 *
 * Chunks of glibc's heap follow each other: the word at 8 behind a chunk's start is its size, with
 * three flags, and what malloc gave begins at 16. A gap between two blocks, or behind the last one,
 * is the allocator's own if the chain of sizes leads through it from one to the other. Where it
 * does not (somebody called sbrk, the allocator is not glibc), the gap is a root.
 */
#include "leakcheck/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/memleak.h"
#include "util/cleanup.h"

#define WORD	      8
#define GRANULE_SHIFT 21
#define ADDRESS_BITS  48
#define NO_ADDRESS    UINT64_MAX

#define CHUNK_HEADER  16
#define CHUNK_FLAGS   7
#define CHUNK_MIN     16 /* of fence posts; others have 32 */

/* A heap of glibc's other arenas: aligned so, and led by a struct heap_info; in the first of an
 * arena a struct malloc_state follows it (glibc 2.26 to 2.41). */
#define HEAP_ALIGNMENT (64ULL << 20)
#define STATE_SIZE     0x898

/* struct malloc_state ends in 127 bins of two pointers each; before them come what remained, the
 * top and ten fast bins. An empty bin points at what would be its chunk: 16 bytes before itself. */
#define ARENA_SIZE	(127 * 16 + 12 * WORD)
#define ARENA_MIN_EMPTY 32

/* Words that are remembered with their edges: more than two arenas. */
#define RECENT 1024

/* A source that scan__finish replaces. */
#define GAP (UINT32_MAX - 2)

/* Pointers that are kept, 1 GiB of them; what more there are count as roots. */
#define MAX_EDGES (64U << 20)

/* The word of a root, and its edge. */
struct recent {
	uint64_t addr;
	size_t edge;
};

struct scan {
	const struct judge_block *blocks;
	uint32_t nr;
	uint64_t low, span; /* every block lies in [low, low + span) */
	uint64_t *granules; /* a bit each */
	uint64_t *rooted;   /* a bit for each block: something points to it, see MAX_EDGES */
	uint64_t trampoline_start, trampoline_size;
	bool in_flight;
	bool overflowed;
	judge_edges edges;
	bool keeps_places;
	VECTOR(uint64_t) places; /* of words of roots and gaps */
	/* the mapping */
	enum scan_kind kind;
	bool fresh; /* nothing of it was looked at */
	uint64_t end;
	uint64_t place;	      /* everything below was looked at */
	uint32_t next;	      /* the first block that does not end before the place */
	uint64_t header;      /* where the next chunk begins; NO_ADDRESS: the chain is lost */
	size_t gap_first;     /* edges from here on are those of the gap */
	uint64_t arena_last;  /* address of the last empty bin */
	uint32_t arena_empty; /* so many of one arena */
	struct recent recent[RECENT];
};

static void set_bit(uint64_t *bits, uint64_t i)
{
	bits[i / 64] |= 1ULL << i % 64;
}

static bool get_bit(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static uint64_t block_end(const struct judge_block *b)
{
	return b->addr + (b->size ? b->size : 1);
}

static void cover_blocks(struct scan *s)
{
	uint64_t high = 0, limit = 1ULL << ADDRESS_BITS, g;
	uint32_t i;

	s->low = limit;
	for (i = 0; i < s->nr; i++) {
		const struct judge_block *b = &s->blocks[i];
		uint64_t end = block_end(b);

		if (b->addr >= limit || end > limit || end < b->addr)
			continue;
		s->low = b->addr < s->low ? b->addr : s->low;
		high = end > high ? end : high;
		for (g = b->addr >> GRANULE_SHIFT; g <= (end - 1) >> GRANULE_SHIFT; g++)
			set_bit(s->granules, g);
	}
	s->span = high > s->low ? high - s->low : 0;
}

static void cleanup_scan(struct scan **s)
{
	scan__destroy(*s);
}

int scan__create(size_t nr_edges, struct scan **ret)
{
	CLEANUP(cleanup_scan) struct scan *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->granules = calloc((1ULL << (ADDRESS_BITS - GRANULE_SHIFT)) / 64, sizeof(*s->granules));
	if (!s->granules)
		return -ENOMEM;
	err = vector_reserve(&s->edges, nr_edges < MAX_EDGES ? nr_edges : MAX_EDGES);
	if (err)
		return err;
	if (nr_edges) /* touched now */
		memset(s->edges.items, 0, s->edges.capacity * sizeof(*s->edges.items));
	*ret = TAKE_PTR(s);
	return 0;
}

int scan__set_blocks(struct scan *s, const struct judge_block *blocks, uint32_t nr)
{
	s->blocks = blocks;
	s->nr = nr;
	free(s->rooted);
	s->rooted = calloc((size_t)nr / 64 + 1, sizeof(*s->rooted));
	if (!s->rooted)
		return -ENOMEM;
	cover_blocks(s);
	return 0;
}

void scan__destroy(struct scan *s)
{
	if (!s)
		return;
	free(s->granules);
	free(s->rooted);
	vector_release(&s->edges);
	vector_release(&s->places);
	free(s);
}

void scan__set_trampoline(struct scan *s, uint64_t start, uint64_t end)
{
	s->trampoline_start = start;
	s->trampoline_size = end - start;
}

/* --- words --- */

/* Of so few words that a vector of them is compared at once, where the processor has such. */
#define GROUP 64

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__has_attribute)
#if __has_attribute(target_clones)
#define WIDE __attribute__((target_clones("avx2", "default")))
#endif
#endif
#ifndef WIDE
#define WIDE
#endif

WIDE static uint64_t filter_group(const uint64_t words[GROUP], uint64_t low, uint64_t span)
{
	uint64_t mask = 0;
	size_t i;

	for (i = 0; i < GROUP; i++)
		mask |= (uint64_t)(words[i] - low < span) << i;
	return mask;
}

void scan__filter(const struct scan *s, const uint64_t *words, size_t nr, uint64_t *bits)
{
	uint64_t rest[GROUP] = {0};
	size_t i;

	for (i = 0; i + GROUP <= nr; i += GROUP)
		bits[i / GROUP] = filter_group(words + i, s->low, s->span);
	if (i == nr)
		return;
	memcpy(rest, words + i, (nr - i) * WORD);
	bits[i / GROUP] = filter_group(rest, s->low, s->span) & ((1ULL << (nr - i)) - 1);
}

static bool is_candidate(const struct scan *s, uint64_t value)
{
	return value - s->low < s->span && get_bit(s->granules, value >> GRANULE_SHIFT);
}

static int add_edge(struct scan *s, uint64_t value, uint32_t source, uint32_t where)
{
	uint32_t target;

	if (s->edges.count < MAX_EDGES)
		return vector_push(&s->edges, ((struct judge_edge){value, source, where}));
	s->overflowed = true;
	target = judge__find(s->blocks, s->nr, value);
	if (target != UINT32_MAX)
		set_bit(s->rooted, target);
	return 0;
}

/* An edge from the word of a root or a gap at @place. */
static int add_root(struct scan *s, uint64_t value, uint32_t source, uint64_t place)
{
	int err = s->keeps_places ? vector_push(&s->places, place) : 0;

	return err ? err : add_edge(s, value, source, s->places.count); /* from 1 */
}

void scan__keep_places(struct scan *s)
{
	s->keeps_places = true;
}

uint64_t scan__place(const struct scan *s, uint32_t where)
{
	return where && where <= s->places.count ? s->places.items[where - 1] : 0;
}

/* Words that follow each other, and their bits. */
struct run {
	uint64_t addr;
	const uint64_t *words, *bits;
	size_t first, nr; /* the first one's place in both */
};

/* Those words of @r from number @*next on that the filter let through: the next one's number. */
static bool next_candidate(const struct scan *s, const struct run *r, size_t *next)
{
	size_t end = r->first + r->nr, i = *next;

	while (i < end) {
		uint64_t rest = r->bits[i / 64] >> i % 64;

		if (!rest) {
			i = (i / 64 + 1) * 64;
			continue;
		}
		i += __builtin_ctzll(rest);
		if (i < end && get_bit(s->granules, r->words[i] >> GRANULE_SHIFT)) {
			*next = i;
			return true;
		}
		i++;
	}
	return false;
}

/* The words of a block, whose first one is at @start. */
static int scan_inside(struct scan *s, const struct run *r, uint32_t source, uint64_t start)
{
	size_t i;
	int err = 0;

	for (i = r->first; !err && next_candidate(s, r, &i); i++) {
		uint64_t where = (r->addr + (i - r->first) * WORD - start) / WORD;

		err = add_edge(s, r->words[i], source, where < UINT32_MAX ? where : UINT32_MAX);
	}
	return err;
}

static int scan_free(struct scan *s, const struct run *r)
{
	size_t i;
	int err = 0;

	for (i = r->first; !err && next_candidate(s, r, &i); i++)
		err = add_root(s, r->words[i], GAP, r->addr + (i - r->first) * WORD);
	return err;
}

/* What was seen last was an arena, or it was not. */
static void close_arena(struct scan *s)
{
	uint64_t end = s->arena_last + 16, addr;

	if (s->arena_empty >= ARENA_MIN_EMPTY) {
		for (addr = end - ARENA_SIZE; addr < end; addr += WORD) {
			const struct recent *r = &s->recent[addr / WORD % RECENT];

			if (r->addr == addr && r->edge < s->edges.count)
				s->edges.items[r->edge].source = JUDGE_ARENA;
		}
	}
	s->arena_empty = 0;
}

static void note_empty_bin(struct scan *s, uint64_t addr)
{
	if (s->arena_empty && addr - s->arena_last > ARENA_SIZE)
		close_arena(s);
	s->arena_last = addr;
	s->arena_empty++;
}

static int scan_root(struct scan *s, const struct run *r)
{
	const uint64_t *words = r->words + r->first;
	uint64_t addr = r->addr;
	size_t nr = r->nr, i;
	int err;

	for (i = 0; i < nr; i++, addr += WORD) {
		if (words[i] + 16 == addr && addr % 16 == 0 && i + 1 < nr &&
		    words[i + 1] == words[i])
			note_empty_bin(s, addr);
		else if (s->arena_empty && addr - s->arena_last > ARENA_SIZE)
			close_arena(s);
		if (words[i] - s->trampoline_start < s->trampoline_size ||
		    words[i] == MEMLEAK_IN_REALLOC)
			s->in_flight = true;
		if (!is_candidate(s, words[i]))
			continue;
		s->recent[addr / WORD % RECENT] =
			(struct recent){.addr = addr, .edge = s->edges.count};
		err = add_root(s, words[i], JUDGE_ROOT, addr);
		if (err)
			return err;
	}
	return 0;
}

int scan__register(struct scan *s, uint64_t value, uint64_t place)
{
	return is_candidate(s, value) ? add_root(s, value, JUDGE_ROOT, place) : 0;
}

/* --- chunks --- */

/* A gap is over: if the chain did not lead through it, it was none. */
static void end_gap(struct scan *s, bool chained)
{
	size_t i;

	for (i = s->gap_first; !chained && i < s->edges.count; i++)
		if (s->edges.items[i].source == GAP)
			s->edges.items[i].source = JUDGE_ROOT;
	s->gap_first = s->edges.count;
}

/* The start of the chunk behind the one at @header, whose size word is @size. */
static uint64_t next_chunk(const struct scan *s, uint64_t header, uint64_t size)
{
	size &= ~(uint64_t)CHUNK_FLAGS;
	if (size < CHUNK_MIN || size % 16 || size > s->end - header)
		return NO_ADDRESS;
	return header + size;
}

/*
 * Follow the chain through the part [@from, @to) of a gap, whose words begin at @words. It stops at
 * the chunk of the block at @block (NO_ADDRESS: none starts at @to), then that one's end is the
 * next header. True if the chain has met the block.
 */
static bool follow_chain(struct scan *s, uint64_t from, uint64_t to, const uint64_t *words,
			 uint64_t block)
{
	uint64_t own = block - CHUNK_HEADER;

	while (s->header != NO_ADDRESS && s->header + WORD < to) {
		uint64_t header = s->header;

		if (header + WORD < from || header % 16) {
			s->header = NO_ADDRESS;
			break;
		}
		s->header = next_chunk(s, header, words[(header + WORD - from) / WORD]);
		if (block != NO_ADDRESS && header == own)
			return s->header != NO_ADDRESS;
	}
	/* Begin a new chain with the block's own chunk. */
	if (block != NO_ADDRESS) {
		s->header = NO_ADDRESS;
		if (block % 16 == 0 && block - WORD >= from)
			s->header = next_chunk(s, own, words[(block - WORD - from) / WORD]);
	}
	return false;
}

/* Where the chunks of a mapping begin that starts with @words; NO_ADDRESS if that is not known. */
static uint64_t first_chunk(const struct scan *s, uint64_t start, const uint64_t *words, size_t nr)
{
	uint64_t info, size;

	if (start % HEAP_ALIGNMENT)
		return start; /* brk's */
	if (nr < 512)
		return NO_ADDRESS;
	if (words[0] - start >= 0x20 && words[0] - start <= 0x40)
		return (words[0] + STATE_SIZE + 15) & ~15ULL;
	for (info = 0x20; info <= 0x40; info += 16) {
		size = words[(info + WORD) / WORD];
		if (next_chunk(s, start + info, size) != NO_ADDRESS && size > 2 * CHUNK_MIN)
			return start + info;
	}
	return NO_ADDRESS;
}

/* --- mappings --- */

static void close_mapping(struct scan *s)
{
	close_arena(s);
	end_gap(s, s->kind == SCAN_HEAP && s->header == s->end);
}

void scan__begin(struct scan *s, uint64_t start, uint64_t end, enum scan_kind kind)
{
	uint32_t low = 0, high = s->nr;

	close_mapping(s);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (block_end(&s->blocks[middle]) <= start)
			low = middle + 1;
		else
			high = middle;
	}
	s->kind = kind;
	s->fresh = true;
	s->end = end;
	s->place = start;
	s->next = low;
	s->header = NO_ADDRESS;
}

/* The part up to @addr was left out: it holds no pointers, and no chunk's size. */
static void skip_to(struct scan *s, uint64_t addr)
{
	if (s->header != NO_ADDRESS && s->header + WORD < addr)
		s->header = NO_ADDRESS;
	for (; s->next < s->nr && s->blocks[s->next].addr < addr; s->next++) {
		/* One that began before is not the end of a gap. */
		if (s->blocks[s->next].addr >= s->place)
			end_gap(s, false);
		if (block_end(&s->blocks[s->next]) > addr)
			break;
	}
	s->place = addr;
}

/* The words of @r, that lie in no block; @block starts behind them, or none does. */
static int scan_gap(struct scan *s, const struct run *r, uint64_t block)
{
	bool chained;
	int err;

	if (s->kind == SCAN_ROOTS)
		return scan_root(s, r);
	chained = follow_chain(s, r->addr, r->addr + r->nr * WORD, r->words + r->first, block);
	err = scan_free(s, r);
	if (block != NO_ADDRESS)
		end_gap(s, chained);
	return err;
}

/* The part of @b, the next block, that lies below @end; @r begins at the place. */
static int scan_block(struct scan *s, struct run *r, const struct judge_block *b, uint64_t end)
{
	uint64_t whole = block_end(b) & ~(uint64_t)(WORD - 1);
	uint64_t from = b->addr > s->place ? s->place + WORD : s->place;
	uint64_t to = whole < end ? whole : end;
	int err = 0;

	/* A word that only a part of the block reaches into is nobody's. */
	if (b->size >= WORD && from < to) {
		r->first += (from - s->place) / WORD;
		r->addr = from;
		r->nr = (to - from) / WORD;
		err = scan_inside(s, r, s->next, b->addr & ~(uint64_t)(WORD - 1));
	}
	if (block_end(b) <= end)
		s->next++;
	s->place = to > s->place ? to : s->place;
	if (block_end(b) % WORD && block_end(b) <= end)
		s->place = whole + WORD;
	s->place = s->place < end ? s->place : end;
	return err;
}

int scan__words(struct scan *s, uint64_t addr, const uint64_t *words, const uint64_t *bits,
		size_t nr)
{
	uint64_t end = addr + nr * WORD;
	int err = 0;

	if (addr != s->place)
		skip_to(s, addr);
	else if (s->fresh && s->kind == SCAN_HEAP)
		s->header = first_chunk(s, addr, words, nr);
	s->fresh = false;
	while (s->place < end && !err) {
		const struct judge_block *b = s->next < s->nr ? &s->blocks[s->next] : NULL;
		struct run r = {s->place, words, bits, (s->place - addr) / WORD, 0};
		uint64_t to = end;

		if (b && b->addr < s->place + WORD) {
			err = scan_block(s, &r, b, end);
			continue;
		}
		if (b && b->addr < end)
			to = b->addr & ~(uint64_t)(WORD - 1);
		r.nr = (to - s->place) / WORD;
		err = scan_gap(s, &r, b && b->addr <= end ? b->addr : NO_ADDRESS);
		s->place = to;
	}
	return err;
}

/* --- the end --- */

static int add_rooted(struct scan *s)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < s->nr && !err; i++)
		if (get_bit(s->rooted, i))
			err = vector_push(&s->edges,
					  ((struct judge_edge){.value = s->blocks[i].addr,
							       .source = JUDGE_ROOT}));
	return err;
}

int scan__finish(struct scan *s, const judge_edges **ret)
{
	size_t i, kept = 0;
	int err;

	close_mapping(s);
	for (i = 0; i < s->edges.count; i++) {
		struct judge_edge e = s->edges.items[i];

		if (e.source == GAP && !s->in_flight)
			continue;
		if (e.source == GAP)
			e.source = JUDGE_ROOT;
		s->edges.items[kept++] = e;
	}
	s->edges.count = kept;
	err = s->overflowed ? add_rooted(s) : 0;
	*ret = &s->edges;
	return err;
}
