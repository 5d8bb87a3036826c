/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROFILE_PROFILE_H
#define MEMLEAK_PROFILE_PROFILE_H

/*
 * The profile: what was outstanding at one moment, as plain data.
 *
 * It is the seam of the program. probe fills one from the kernel's tables, symbol names its
 * locations, every reporter reads it; it knows no kernel, no ELF file and no pid namespace.
 *
 * Everything is held in arrays and referred to by index: a process has entries, an entry has a
 * stack, a stack has locations, a location has a module and, once symbolized, lines. Strings are
 * interned: they belong to the profile, live as long as it does, and equal ones are one pointer.
 * Times are relative: ages in milliseconds, moments in seconds since the probes were in.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/hash.h"
#include "util/strings.h"
#include "util/vector.h"

#define PROFILE_NONE UINT32_MAX /* no such index */

/* A file that code came from, or the anonymous memory of one process where code was generated. */
struct profile_module {
	const char *path;     /* as the process knew it; never NULL */
	const char *build_id; /* lower-case hex; NULL where unknown */
	uint32_t id; /* whoever collected it knows the file by this; PROFILE_NONE if loaded */
};

/* One function at a location: the function itself last, the ones inlined into it before. */
struct profile_line {
	const char *symbol; /* demangled; NULL where unknown */
	uint64_t offset;    /* of pc in the symbol; 0 for inlined lines */
	const char *file;   /* source file; NULL where unknown */
	uint32_t line;	    /* 0 where unknown */
	bool inlined;	    /* this function's code stands in the next line's function */
};

struct profile_location {
	uint32_t module;
	uint64_t pc;	       /* address of the module (what addr2line takes), a return address */
	bool interrupted;      /* pc is the very instruction (a signal came), no return address */
	bool by_frame_pointer; /* found by the frame-pointer rule: may be wrong */
	uint32_t nr_lines;     /* 0: not symbolized yet; otherwise at least one, perhaps nameless */
	const struct profile_line *lines;
};

struct profile_stack {
	uint32_t first; /* in profile.frames, which holds location indexes; caller of allocator
			   first */
	uint32_t count;
	bool truncated; /* deeper than --stack-depth; the outermost frames are missing */
	bool broken;	/* the walk could not go on before the outermost frame */
};

/* What a leak check found; `none` where none ran. */
enum profile_verdict {
	PROFILE_VERDICT_NONE,
	PROFILE_VERDICT_DEFINITE,
	PROFILE_VERDICT_INDIRECT,
	PROFILE_VERDICT_POSSIBLE,
	PROFILE_VERDICT_REACHABLE,
};
#define PROFILE_VERDICTS (PROFILE_VERDICT_REACHABLE + 1)

struct profile_sum {
	uint64_t blocks;
	uint64_t bytes;
};

/*
 * The standard errors of a sum that was estimated by sampling: the truth is that close two times in
 * three, and within two of them nineteen times in twenty. 0 where everything was followed.
 */
struct profile_error {
	double blocks;
	double bytes;
};

struct profile_block {
	uint64_t addr;
	uint64_t bytes;
	double age_ms;
};

/* What successive reports have seen of the blocks of one stack. */
enum profile_trend {
	PROFILE_TREND_NONE,	  /* too few reports, or nothing that can be said in a word */
	PROFILE_TREND_GROWS,	  /* new blocks stay again and again, and none has gone since */
	PROFILE_TREND_RISES,	  /* blocks go, but more stay each time */
	PROFILE_TREND_TURNS_OVER, /* blocks go, and about as many come */
	PROFILE_TREND_UNCHANGED,  /* the same blocks since */
};
#define PROFILE_TRENDS (PROFILE_TREND_UNCHANGED + 1)

/* What a chain of pointers begins with. */
enum profile_root {
	PROFILE_ROOT_UNKNOWN,
	PROFILE_ROOT_GLOBAL,   /* a variable of a file */
	PROFILE_ROOT_STACK,    /* of a thread */
	PROFILE_ROOT_TLS,      /* thread-local data, or what the C library keeps of a thread */
	PROFILE_ROOT_REGISTER, /* of a thread */
	PROFILE_ROOT_MAPPING,  /* other memory */
};
#define PROFILE_ROOTS (PROFILE_ROOT_MAPPING + 1)

/* A block on the way from a root to the block that is asked about, which is the last one. */
struct profile_step {
	uint32_t location;    /* of who allocated it; PROFILE_NONE: unknown, or loaded */
	const char *function; /* loaded: who allocated it; NULL where unknown */
	const char *family;
	const char *type; /* NULL where unknown */
	uint64_t addr, bytes;
	uint64_t pointer_at; /* in it: the pointer to the next one; 0 in the last one */
};

/* The longest that is kept: the last blocks of a longer chain. */
#define PROFILE_MAX_STEPS 16

/* One chain of pointers from a root to a block: why it is still alive. */
struct profile_path {
	enum profile_root root;
	const char *name;    /* of the variable, register or function; NULL where unknown */
	const char *module;  /* the file of both; what is mapped; NULL: none */
	uint32_t module_id;  /* as in profile_module; PROFILE_NONE: none, or loaded */
	uint64_t pc;	     /* GLOBAL: its address in the module. STACK: of the function whose
				frame it is, as profile_location has it; 0: unknown */
	bool interrupted;    /* the same */
	uint64_t offset;     /* in the variable, from the stack pointer, in the mapping */
	uint64_t addr;	     /* of the pointer; 0 in registers */
	uint32_t thread;     /* STACK, TLS, REGISTER; 0: none */
	uint64_t omitted;    /* blocks between the root and the first step */
	uint32_t first_step; /* in profile.steps */
	uint32_t nr_steps;
};

/* What was outstanding at one moment of a run, seconds after the probes were in. */
struct profile_point {
	double at_s;
	uint64_t bytes;
};

/* Points in order of time, where a history was asked for. */
struct profile_history {
	uint32_t first; /* in profile.points */
	uint32_t count;
};

/* No history is longer: when one is full, every other point goes. */
#define PROFILE_POINTS_MAX 200

/* How a free was wrong. */
enum profile_wrong {
	PROFILE_WRONG_MISMATCHED, /* by a function of another family */
	PROFILE_WRONG_SIZE,	  /* operator delete was told another size than operator new */
	PROFILE_WRONG_DOUBLE,	  /* of what was freed already */
	PROFILE_WRONG_POINTER,	  /* of what is no block */
};
#define PROFILE_WRONGS (PROFILE_WRONG_POINTER + 1)

/* Frees of one process that are wrong in the same way, at the same place. */
struct profile_wrong_free {
	uint32_t process;
	enum profile_wrong kind;
	uint64_t count;
	uint64_t addr; /* of the first of them, as what follows */
	uint64_t bytes;
	const char *type;	  /* C++ class of the block as it was freed; NULL where unknown */
	const char *alloc_family; /* NULL: it is no block */
	const char *free_family;  /* "free", "delete", "delete[]" or "realloc" */
	uint64_t deleted_bytes;	  /* PROFILE_WRONG_SIZE */
	uint32_t alloc_stack;	  /* PROFILE_NONE: it is no block */
	uint32_t free_stack;
	uint32_t first_free; /* PROFILE_WRONG_DOUBLE: the stack, one frame of it, of the free before
				that; PROFILE_NONE where unknown */
	bool suppressed;
};

/* The outstanding blocks of one process that share stack, family, verdict, type and cycle. */
struct profile_entry {
	uint32_t process;
	uint32_t stack;
	const char *family; /* "malloc", "new", "new[]", "mmap" or a user-defined pair's name */
	enum profile_verdict verdict;
	const char *type; /* C++ class of the blocks; NULL where unknown */
	bool cycle;
	const char *cycle_classes; /* what the shared_ptrs of its cycle count: "Parent, Child";
				      NULL: there are none */
	bool resource;		   /* files, locks ...: beside the heap, as mappings are */
	bool suppressed;	   /* its stack is one that the user does not want to hear of */
	struct profile_sum sum;
	struct profile_error error; /* of sum */
	double growth_bytes_per_s;  /* against the report before; 0 in the first */
	double oldest_ms, newest_ms;
	enum profile_trend trend;
	int64_t trend_since_ms; /* since 1970-01-01 UTC; 0: no moment */
	uint32_t generations;	/* age classes (below 1 s, 2 s, 4 s ...) that have blocks */
	uint32_t path;		/* number in profile.paths, from 1: of the oldest block; 0: none */
	uint32_t first_block;	/* in profile.blocks, oldest first; where blocks were asked for */
	uint32_t nr_blocks;
};

struct profile_process {
	uint32_t pid;
	const char *comm;
	const char *exe; /* NULL where unknown */
	bool running;
	uint64_t allocs, frees, alloc_bytes;
	struct profile_sum outstanding; /* heap alone */
	struct profile_error error;	/* of outstanding */
	uint64_t peak_bytes;
	double peak_at_s;
	struct profile_sum mmap;
	uint64_t resources;			    /* held: files, locks and the like */
	int64_t growth_bytes;			    /* of outstanding, since the report before */
	bool checked;				    /* a leak check ran: what follows counts */
	struct profile_sum leaks[PROFILE_VERDICTS]; /* heap alone, by verdict, without suppressed */
	struct profile_sum suppressed;
	double pause_ms;      /* how long the check stopped the process */
	double judge_ms;      /* how long it took to judge what was read then */
	uint32_t first_entry; /* in profile.entries once sorted */
	uint32_t nr_entries;
	struct profile_history history; /* of outstanding */
	uint32_t first_wrong;		/* in profile.wrong_frees once sorted */
	uint32_t nr_wrongs;
};

/* What a stack of one process has allocated, freed or not, and what of it was outstanding over
 * time, where that was asked for. */
struct profile_site {
	uint32_t process;
	uint32_t stack;
	const char *family;
	struct profile_sum allocs;
	struct profile_history history; /* of the stacks that hold most */
};

/* What could not be recorded. All zero when nothing was lost. */
struct profile_losses {
	uint64_t blocks;	   /* allocations not followed, for whatever reason */
	uint64_t frees;		   /* frees not seen: their address was handed out again */
	uint64_t stacks;	   /* blocks kept without their stack, for whatever reason */
	uint64_t truncated_stacks; /* deeper than --stack-depth */
	uint64_t broken_stacks;	   /* the walk stopped short */
	uint64_t events;	   /* mappings or process events dropped: ring buffer full */
	uint64_t sites;		   /* allocations that no site counts: table full, no memory */
	uint64_t wrong_frees;	   /* wrong frees at more places than the table has room for */
	uint64_t unread_files;	   /* programs and libraries that could not be read */
	uint64_t no_memory;	   /* of `blocks`: the kernel had none at that moment */
	uint64_t stacks_no_memory; /* of `stacks`: the same */
	uint64_t unreadable;	   /* of `blocks`: where the pointer is could not be read */
	uint64_t late;		   /* programs and libraries probed when they could run already */
	double late_ms;		   /* the longest that one of them could */
};

enum profile_sampling { PROFILE_SAMPLE_ALL, PROFILE_SAMPLE_RATE, PROFILE_SAMPLE_BYTES };

struct profile {
	int64_t time_ms; /* since 1970-01-01 UTC */
	uint64_t seq;	 /* 1 for the first report */
	bool final;
	bool diagnosed;	  /* wrong frees were looked for */
	bool command;	  /* of a command that the tool ran: the final report has summaries */
	bool diff;	  /* sums, counts and bytes are differences: int64_t, two's complement */
	double elapsed_s; /* since the probes were in */
	enum profile_sampling sampling;
	uint64_t sampling_value; /* n of rate, mean of bytes */
	struct profile_losses losses;
	VECTOR(struct profile_process) processes;
	VECTOR(struct profile_entry) entries;
	VECTOR(struct profile_site) sites;
	VECTOR(struct profile_wrong_free) wrong_frees;
	VECTOR(struct profile_stack) stacks;
	VECTOR(uint32_t) frames;
	VECTOR(struct profile_location) locations;
	VECTOR(struct profile_module) modules;
	VECTOR(struct profile_block) blocks;
	VECTOR(struct profile_path) paths;
	VECTOR(struct profile_step) steps;
	VECTOR(struct profile_point) points;
	/* Private: use the functions below. */
	struct strings strings;
	VECTOR(struct profile_line *) line_arrays;
	struct hash location_index, stack_index, module_index;
};

/* An empty profile, owned by the caller; NULL without memory. */
struct profile *profile__create(void);

/* Free it with everything it holds; NULL is accepted. */
void profile__destroy(struct profile *p);

/* The profile's own copy of @s, one pointer for equal strings; NULL for NULL, and without memory.
 */
const char *profile__intern(struct profile *p, const char *s);

/*
 * Index of the module that @id names, added with @path and @build_id (NULL: unknown) if new.
 * Modules of equal @id are one; with PROFILE_NONE as @id, those of equal path and build-id are.
 * 0 or -ENOMEM.
 */
int profile__add_module(struct profile *p, uint32_t id, const char *path, const char *build_id,
			uint32_t *ret);

/* Index of the location equal to @loc in module, pc and flags, added without lines if new. 0 or
 * -ENOMEM. */
int profile__add_location(struct profile *p, const struct profile_location *loc, uint32_t *ret);

/* Give location @index its @nr lines (at least one), copied; their strings must be interned. 0 or
 * -ENOMEM with the location unchanged. */
int profile__set_lines(struct profile *p, uint32_t index, const struct profile_line *lines,
		       uint32_t nr);

/* Index of the stack of @nr location indexes with these flags, added if new. 0 or -ENOMEM. */
int profile__add_stack(struct profile *p, const uint32_t *locations, uint32_t nr, bool truncated,
		       bool broken, uint32_t *ret);

enum profile_sort {
	PROFILE_SORT_BYTES,
	PROFILE_SORT_BLOCKS,
	PROFILE_SORT_GROWTH,
	PROFILE_SORT_AGE, /* oldest first */
};

/*
 * Bring processes into order of outstanding bytes, largest first, and entries into order of process
 * and then @order, largest first, ties by the other measures so that the order is the same every
 * time; sets first_entry and nr_entries of every process. Call it once, after all entries are in
 * and before anything reads them. 0 or -ENOMEM.
 */
int profile__sort(struct profile *p, enum profile_sort order);

/* Entries of every verdict, suppressed or not. */
#define PROFILE_ALL_KINDS UINT32_MAX

/*
 * Whether a report that asks for entries of the verdicts @kinds, a bit each, shows @e: in a final
 * one a leak check tells what is worth a look; what it did not judge is always shown.
 */
bool profile__is_shown(const struct profile *p, const struct profile_entry *e, uint32_t kinds);

/* "grows", "rises", "turns_over", "unchanged"; NULL for PROFILE_TREND_NONE. */
const char *profile__trend_name(enum profile_trend trend);

/* "mismatched_free", "sized_delete", "double_free", "invalid_free". */
const char *profile__wrong_name(enum profile_wrong kind);

/* "definite", "indirect", "possible", "reachable"; NULL for PROFILE_VERDICT_NONE. */
const char *profile__verdict_name(enum profile_verdict verdict);

#endif
