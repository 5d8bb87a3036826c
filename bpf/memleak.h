/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_MEMLEAK_H
#define MEMLEAK_BPF_MEMLEAK_H

/*
 * What the programs in the kernel and the loader share: the records of every map. Fixed widths,
 * explicit padding, sizes asserted.
 *
 * Terms. An *image* is one program in one process, from exec (or from the attach) to the next exec
 * or the exit; every image has a number of its own, never used again while the tool runs, so that
 * neither exec nor a recycled pid can mix blocks. A *block* is what an allocator handed out and has
 * not got back. A *frame* is a file and an offset in it: the same for every process that maps the
 * file.
 */

#ifdef __bpf__
#include "vmlinux/vmlinux.h"
#else
#include <assert.h>
#include <linux/types.h>
#endif

/* How a hooked function takes its sizes and gives its pointer; the low byte of a probe's cookie. */
enum memleak_call {
	MEMLEAK_CALL_MALLOC = 1,     /* (size) */
	MEMLEAK_CALL_CALLOC,	     /* (n, size) */
	MEMLEAK_CALL_REALLOC,	     /* (old, size) */
	MEMLEAK_CALL_REALLOCARRAY,   /* (old, n, size) */
	MEMLEAK_CALL_MEMALIGN,	     /* (alignment, size) */
	MEMLEAK_CALL_POSIX_MEMALIGN, /* (out, alignment, size), 0 on success */
	MEMLEAK_CALL_FREE,	     /* (pointer) */
	MEMLEAK_CALL_MMAP,	     /* (addr, length, prot, flags, fd, offset) */
	MEMLEAK_CALL_MUNMAP,	     /* (addr, length) */
	MEMLEAK_CALL_MREMAP,	     /* (old, old size, new size, flags, new addr) */
	MEMLEAK_CALL_NEW,	     /* operator new on its way to a malloc: tells the family */
	MEMLEAK_CALL_DELETE,	     /* operator delete on its way to a free */
	MEMLEAK_CALL_LIBRARIES, /* the dynamic loader's _dl_debug_state: libraries came or went */
	MEMLEAK_CALL_DESCRIBED, /* as the cookie's form says */
	MEMLEAK_CALL_RELEASE,	/* gives back what a described call gave */
};

/* The family of what a hooked function gives; the second byte of a probe's cookie. */
enum memleak_family {
	MEMLEAK_FAMILY_MALLOC,
	MEMLEAK_FAMILY_NEW,
	MEMLEAK_FAMILY_NEW_ARRAY,
	MEMLEAK_FAMILY_MMAP,
	MEMLEAK_FAMILY_REALLOC,	  /* only of wrong frees */
	MEMLEAK_FAMILY_USER = 16, /* the first of those that --alloc-fn and --resource define */
	MEMLEAK_FAMILIES = 64,
};

/*
 * The form of described calls, in the cookie's upper bits. Arguments are numbered from 1; 0: none.
 * A resource is no memory: it stands beside the heap, and so do allocations made on its behalf.
 */
#define MEMLEAK_FORM_SIZE(n)		   ((__u64)(n) << 16)
#define MEMLEAK_FORM_COUNT(n)		   ((__u64)(n) << 20) /* the size is a product with this */
#define MEMLEAK_FORM_OLD(n)		   ((__u64)(n) << 24) /* what is given back in exchange */
#define MEMLEAK_FORM_POINTER(n)		   ((__u64)(n) << 28) /* 0: the result is the pointer */
#define MEMLEAK_FORM_FAIL(mode)		   ((__u64)(mode) << 32)
#define MEMLEAK_FORM_DEREFERENCE	   (1ULL << 34) /* it is where that argument points to */
#define MEMLEAK_FORM_OLD_GOES		   (1ULL << 35) /* also where the call fails */
#define MEMLEAK_FORM_IN_PLACE		   (1ULL << 36) /* OLD stays; fails with less than SIZE */
#define MEMLEAK_FORM_RESOURCE		   (1ULL << 37)
#define MEMLEAK_FORM_FAMILIES(mask)	   ((__u64)(mask) << 40)
#define MEMLEAK_FORM_GUARDED		   (1ULL << 43)
#define MEMLEAK_FORM_LEAF		   (1ULL << 44) /* it calls no function that is probed */
#define MEMLEAK_FORM_ARGUMENT(cookie, bit) ((__u32)((cookie) >> (bit)) & 0xf)

/*
 * For finding wrong frees. The families that a function serves, a bit each: several where it has
 * several names; none where its part in them is not known. GUARDED, of those that free: whoever
 * calls it got the pointer from functions that are probed.
 */
#define MEMLEAK_COOKIE_FAMILIES(cookie) ((__u8)((cookie) >> 40) & 7)

/* What a described call returns if it fails. */
enum memleak_fail { MEMLEAK_FAIL_ZERO, MEMLEAK_FAIL_MINUS_ONE, MEMLEAK_FAIL_NOT_ZERO };
#define MEMLEAK_FORM_FAILURE(cookie) ((__u32)((cookie) >> 32) & 3)

/* For MEMLEAK_CALL_LIBRARIES the rest of the cookie is where the loader's _r_debug lies, counted
 * from the probed instruction; 0: it has none. */
#define MEMLEAK_COOKIE_LIBRARIES(distance) (MEMLEAK_CALL_LIBRARIES | (__u64)(distance) << 16)
#define MEMLEAK_COOKIE_DISTANCE(cookie)	   ((__s64)(cookie) >> 16)

#define MEMLEAK_COOKIE(call, family)	   ((__u64)(call) | (__u64)(family) << 8)
#define MEMLEAK_COOKIE_CALL(cookie)	   ((__u8)(cookie))
#define MEMLEAK_COOKIE_FAMILY(cookie)	   ((__u8)((cookie) >> 8))

/*
 * The cookie of a site: where its arguments are. 0: it is one of libmemleak.so's own, in the
 * registers of a call's arguments; otherwise the number of a record in `site_arguments`, from 1.
 */
#define MEMLEAK_SITE_COOKIE(spec, flags) ((__u64)(spec) << 2 | (flags))
#define MEMLEAK_SITE_MIXED		 1 /* the process has other probes for its heap too */
#define MEMLEAK_SITE_GUARDED		 2 /* whoever calls it got the pointer in their sight */
#define MEMLEAK_SITE_SPEC(cookie)	 ((__u32)((cookie) >> 2))
#define MEMLEAK_MAX_SITE_SPECS		 1024
#define MEMLEAK_SITE_ARGUMENTS		 3 /* pointer, size, weight */

enum memleak_argument_kind {
	MEMLEAK_ARGUMENT_NONE,
	MEMLEAK_ARGUMENT_CONSTANT, /* the offset */
	MEMLEAK_ARGUMENT_REGISTER,
	MEMLEAK_ARGUMENT_MEMORY, /* at register + offset, or + index * 2^scale */
};

/* Registers by their place in pt_regs, in words. */
struct memleak_argument {
	__s64 offset;
	__u8 kind;
	__u8 base;
	__u8 index; /* MEMLEAK_ARGUMENT_MEMORY: 0xff: none */
	__u8 scale;
	__u8 bits; /* 8, 16, 32 or 64 */
	__u8 is_signed;
	__u8 pad[2];
};

struct memleak_site_arguments {
	struct memleak_argument list[MEMLEAK_SITE_ARGUMENTS];
};

/*
 * What the sites of libmemleak.so (user/hook/) say of a call, in their argument `info`: the family
 * (of what frees, on a free), flags, the slack of a block, and how far above the frame that they
 * give it ends.
 */
#define MEMLEAK_SITE_REALLOC 1	/* a free: it is for a realloc, which may still fail */
#define MEMLEAK_SITE_SIZED   2	/* a free: it knows the size */
#define MEMLEAK_SITE_INNER   4	/* for an operator's own use: its family says nothing */
#define MEMLEAK_SITE_ASKS    8	/* a put, see bpf/deferred.h: where is its trail? */
#define MEMLEAK_SITE_LOW     16 /* a put: `low_bytes` is below what was told last */
#define MEMLEAK_SITE_LATE    32 /* a put of what was new: `frame` is its session */
#define MEMLEAK_SITE_SAMPLE  64 /* a put: nobody tells of what is not in the sample */
#define MEMLEAK_SITE_INFO(family, flags, slack, cfa)                                               \
	((__u64)(family) | (__u64)(flags) << 8 | (__u64)(slack) << 16 | (__u64)(cfa) << 32)
#define MEMLEAK_SITE_IN_CELL(generation) ((__u64)(generation) << 24) /* see bpf/deferred.h */
#define MEMLEAK_SITE_GENERATION(info)	 ((__u8)((info) >> 24))	     /* 0: it is in none */
#define MEMLEAK_SITE_FAMILY(info)	 ((__u8)(info))
#define MEMLEAK_SITE_FLAGS(info)	 ((__u8)((info) >> 8))
#define MEMLEAK_SITE_SLACK(info)	 ((__u8)((info) >> 16))
#define MEMLEAK_SITE_CFA(info)		 ((__u32)((info) >> 32))

/* On the stack of a thread whose block realloc has, while nobody knows where it is: a leak check
 * sees by it that what is in its tables of that block does not hold. */
#define MEMLEAK_IN_REALLOC 0xa3f1c5d27b9e8046ULL

/* What of a block may exceed what operator new was asked for: an alignment, a length. */
#define MEMLEAK_MAX_SLACK 255

/* Of the mmap family: enum memleak_call, and mmap's and mremap's flags; munmap: whether it failed.
 */
#define MEMLEAK_SITE_MAP_INFO(call, flags, cfa)                                                    \
	((__u64)(call) | (__u64)((flags)&0xffffff) << 8 | (__u64)(cfa) << 32)
#define MEMLEAK_SITE_MAP_FLAGS(info) ((__u32)((info) >> 8) & 0xffffff)

/* Why something is missing from the tables: one counter each, in the map `losses`. */
enum memleak_loss {
	MEMLEAK_LOSS_BLOCK_TABLE,   /* blocks: the table is full (--max-blocks) */
	MEMLEAK_LOSS_BLOCK_MEMORY,  /* blocks: the kernel had no memory at that moment */
	MEMLEAK_LOSS_BLOCK_THREAD,  /* blocks: no memory for a thread's state */
	MEMLEAK_LOSS_BLOCK_POINTER, /* blocks: posix_memalign's result could not be read */
	MEMLEAK_LOSS_FREE,	    /* frees: not seen, the address was handed out again */
	MEMLEAK_LOSS_DEFERRED,	    /* frees, samples: told by nobody when the process ended */
	MEMLEAK_LOSS_STACK,	    /* stacks: the table is full (--max-stacks) */
	MEMLEAK_LOSS_STACK_MEMORY,  /* stacks: the kernel had no memory at that moment */
	MEMLEAK_LOSS_TRUNCATED,	    /* stacks: deeper than --stack-depth */
	MEMLEAK_LOSS_BROKEN,	    /* stacks: the walk stopped short */
	MEMLEAK_LOSS_PROCESS,	    /* processes: the table is full */
	MEMLEAK_LOSS_EVENT,	    /* mappings and process events: the ring buffer was full */
	MEMLEAK_LOSS_TRACE,	    /* trace lines: the ring buffer was full */
	MEMLEAK_LOSS_SITE,	    /* allocations not counted by stack: table full, no memory */
	MEMLEAK_LOSS_WRONG_FREE,    /* wrong frees: the table is full */
	MEMLEAK_LOSSES
};

/* --- blocks --- */

struct memleak_block_key {
	__u64 addr;
	__u32 image;
	__u32 family; /* 0, or a user-defined one: a FILE * equals the address of its malloc block
		       */
};

/* A deferrable block that is in no bucket: its key's family in the map, and there alone. */
#define MEMLEAK_KEY_DEFERRABLE 1

struct memleak_block {
	__u64 size;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 stack;   /* key in `stacks`; 0: lost */
	__u8 family;
	__u8 families;	 /* whose frees may take it, a bit each; 0: not known */
	__u8 slack;	 /* how much larger it is than what operator new was asked for */
	__u8 deferrable; /* the generation of its cell, see bpf/deferred.h; 0: it is in none */
	__u32 more;	 /* times that a resource was acquired again since */
	__u64 weight; /* bytes that it stands for, if the process drew it; 0: as sampling has it */
};

/*
 * Where only a part of what is allocated is followed, most frees are of nothing that is in the
 * table, and its buckets are in no cache: a counter tells first, one for each of these slots, how
 * many blocks with such an address there are. Those of a page share a cache line (Putze, Sanders,
 * Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007): the next free mostly has it.
 */
#define MEMLEAK_ADDRESS_LINES	   11 /* bits */
#define MEMLEAK_ADDRESS_SLOTS	   (16U << MEMLEAK_ADDRESS_LINES)
#define MEMLEAK_ADDRESS_HASH(x, n) ((__u32)(((x)*0x9e3779b97f4a7c15ULL) >> (64 - (n))))
#define MEMLEAK_ADDRESS_SLOT(addr)                                                                 \
	(MEMLEAK_ADDRESS_HASH((addr) >> 12, MEMLEAK_ADDRESS_LINES) * 16 +                          \
	 MEMLEAK_ADDRESS_HASH(addr, 4))

/*
 * --- changes of the table of blocks, while somebody asks for them: a ring ---
 *
 * A change is the address of a block that came or went, with the family of its key above. 0: the
 * place was given out and is not written yet.
 */
#define MEMLEAK_CHANGES		       (1U << 18)
#define MEMLEAK_CHANGE(addr, family)   ((__u64)(family) << 56 | (addr))
#define MEMLEAK_CHANGE_ADDRESS(change) ((change) & ((1ULL << 56) - 1))
#define MEMLEAK_CHANGE_FAMILY(change)  ((__u32)((change) >> 56))

/* --- sites: what each stack has allocated, freed or not; counted where -w asks for it --- */

struct memleak_site_key {
	__u64 stack; /* as in a block */
	__u32 image;
	__u8 family;
	__u8 pad[3];
};

struct memleak_site {
	__u64 allocs; /* weighed, as in a process */
	__u64 bytes;
};

/* --- wrong frees, where they are looked for --- */

enum memleak_wrong_kind {
	MEMLEAK_WRONG_NONE,
	MEMLEAK_WRONG_MISMATCHED, /* freed by another family than it came from */
	MEMLEAK_WRONG_SIZE,	  /* operator delete was told another size */
	MEMLEAK_WRONG_DOUBLE,	  /* freed already */
	MEMLEAK_WRONG_POINTER,	  /* nothing that was ever allocated, as far as is known */
};

/* Frees that are wrong in the same way at the same place are one. */
struct memleak_wrong_key {
	__u64 alloc_stack; /* 0: unknown */
	__u64 free_stack;
	__u32 image;
	__u8 kind;
	__u8 alloc_family, free_family;
	__u8 pad;
};

/* The first of them, and how many there were. */
struct memleak_wrong {
	__u64 count;
	__u64 addr;
	__u64 size;	    /* of the block */
	__u64 deleted_size; /* what operator delete was told */
	__u64 head;	    /* the block's first word */
	__u64 first_stack;  /* MEMLEAK_WRONG_DOUBLE: who freed it before */
};

/* What was freed last, by address. */
struct memleak_freed_key {
	__u64 addr;
	__u32 image;
	__u32 pad;
};

struct memleak_freed {
	__u64 stack; /* of the allocation */
	__u64 size;
	__u64 caller; /* of the free: its return address */
	__u8 family;
	__u8 pad[7];
};

/* --- stacks --- */

/* What --stack-depth can be at most: see struct thread about its size. */
#define MEMLEAK_MAX_FRAMES 400

/*
 * A frame: the file's number in the upper 16 bits, the offset in the file in the lower 46, and two
 * flags between. File 0 is memory without a file: there the lower 48 bits are the address,
 * unflagged.
 */
#define MEMLEAK_FRAME_FILE(frame)    ((__u32)((frame) >> 48))
#define MEMLEAK_FRAME_OFFSET(frame)  ((frame)&0x3fffffffffffULL)
#define MEMLEAK_FRAME_ADDRESS(frame) ((frame)&0xffffffffffffULL)
#define MEMLEAK_FRAME(file, offset)  ((__u64)(file) << 48 | MEMLEAK_FRAME_OFFSET(offset))
#define MEMLEAK_FRAME_BY_FP	     (1ULL << 46) /* found by frame pointer */
#define MEMLEAK_FRAME_EXACT	     (1ULL << 47) /* an interrupted instruction, no return address */
#define MEMLEAK_MAX_FILES	     0xffff
#define MEMLEAK_FILE_VDSO	     1 /* the kernel's code in every process: no file, one for all */

enum memleak_stack_flags {
	MEMLEAK_STACK_TRUNCATED = 1,
	MEMLEAK_STACK_BROKEN = 2,
	MEMLEAK_STACK_PRIVATE = 4, /* holds addresses of one process: not shared between images */
	MEMLEAK_STACK_BY_FP = 8,   /* some frame was found by frame pointer */
	MEMLEAK_STACK_SITE = 16,   /* of a site in an allocator: begins inside of that */
};

/* Counters of how walks ended, by enum unwind_result; a power of two for the verifier. */
#define MEMLEAK_WALK_RESULTS 32

/* In the map `stacks` the array of frames ends at --stack-depth and one spare. */
struct memleak_stack {
	__u64 check; /* a second hash: the key's 64 bits alone could collide */
	__u32 nr_frames;
	__u32 flags;
	__u64 frames[MEMLEAK_MAX_FRAMES + 1]; /* caller of the allocator first; one spare */
};

/* --- processes, by tgid; ended ones by image in `ended` --- */

struct memleak_process {
	__u32 image;
	__u32 tgid;
	__u32 shares;	     /* not 0: a vfork child, running in the memory of this process */
	__u32 shares_image;  /* ... which was this image then */
	__u32 ending;	     /* one of its threads, the last ones, sees to its end */
	__u32 exe;	     /* number of the program's file; 0: unknown */
	__u16 complete;	     /* every block that it has had was seen */
	__u16 drawn;	     /* it has drawn blocks itself: `allocs` is not how many there are */
	__u16 unseen;	     /* a vfork child may have used its heap out of sight */
	__u16 shared;	     /* another process may be running in its memory */
	__u64 allocs, frees; /* weighed (bpf/sample.h): in 1/SAMPLE_WEIGHT_ONE */
	__u64 alloc_bytes, free_bytes;
	__u64 peak_bytes, peak_ns;
	/* Of a process that defers frees (bpf/deferred.h): where its cells are (0: it does not),
	 * what it has said last of `bytes` there, and how much of that, of `again` and of
	 * `again_bytes` is of blocks that were not seen. */
	__u64 cells, deferred_bytes, strange_bytes;
	__u64 strange_again, strange_again_bytes;
	__u64 end_ns; /* 0: running */
	char comm[16];
};

/* --- files --- */

struct memleak_file_key {
	__u64 inode;
	__u32 device;
	__u32 generation;
	__u64 changed_ns; /* a file that was written anew is another one; 0: it is being written to
			   */
};

/* Where a file's unwind table is (bpf/unwind.h), by the file's number; the loader fills it in. */
struct memleak_table {
	__u64 start;	  /* file offset of the first page */
	__u32 first_page; /* in the array of pages */
	__u32 nr_pages;	  /* 0: none */
	__u32 state;	  /* enum memleak_table_state; set last */
	__u32 pad;
};

enum memleak_table_state {
	MEMLEAK_TABLE_UNKNOWN,	 /* user space has not been told of the file */
	MEMLEAK_TABLE_ANNOUNCED, /* it has, but the table is not there yet */
	MEMLEAK_TABLE_LOADED,	 /* nr_pages holds; 0 of them: the file has no such information */
	MEMLEAK_TABLE_NO_ROOM,	 /* --max-unwind-memory is used up */
};

/* A mapping of code. */
struct memleak_mapping {
	__u64 start, end;
	__u64 offset; /* in the file, bytes */
	__u32 file;   /* its number; 0: memory without a file */
	__u32 pad;
};

/* What the iterator over mappings writes, one per executable mapping of a file. */
struct memleak_vma {
	struct memleak_mapping mapping;
	__u32 tgid;
	__u32 is_exe; /* the program itself */
};

/*
 * The signal with which a traced process shows its tracer that it has loaded libraries: ignored by
 * default, so that nothing happens if the tracer is gone; the tracer keeps it from the process.
 */
#define MEMLEAK_SIGNAL_LIBRARIES 23 /* SIGURG */

/* --- events, in the ring buffer --- */

enum memleak_event_type {
	MEMLEAK_EVENT_FILE,	   /* a file seen for the first time */
	MEMLEAK_EVENT_PROCESS,	   /* an image came to be: fork, exec, or seen for the first time */
	MEMLEAK_EVENT_EXEC,	   /* an image ended by exec */
	MEMLEAK_EVENT_SHARER_EXIT, /* a vfork child ended without exec */
	MEMLEAK_EVENT_EXIT,	   /* an image ended by the exit of its process */
	MEMLEAK_EVENT_LIBRARIES,   /* the process has loaded libraries */
	MEMLEAK_EVENT_STACKS,	   /* the table of stacks fills up; only the type is set */
	MEMLEAK_EVENT_MMAP,
	MEMLEAK_EVENT_MUNMAP,	     /* at entry */
	MEMLEAK_EVENT_MUNMAP_FAILED, /* the last one of this thread did nothing after all */
	MEMLEAK_EVENT_MREMAP,
	MEMLEAK_EVENT_ALLOC, /* --trace */
	MEMLEAK_EVENT_FREE,  /* --trace */
};

struct memleak_event {
	__u32 type;
	__u32 image;
	__u32 tgid;
	__u32 tid;
	__u64 time_ns; /* MREMAP: of the entry */
	__u64 addr;    /* FILE: start of a mapping of it; PROCESS: not 0 after exec by a thread */
	__u64 size;    /* FILE: length of that mapping */
	__u64 addr2;   /* MREMAP: the new address */
	__u64 size2;   /* MREMAP: the new length; MMAP: not 0 if fixed */
	__u64 stack;
	__u32 file; /* FILE: its number; PROCESS, MMAP, MREMAP: that of the program */
	__u8 family;
	__u8 stack_flags; /* MMAP, MREMAP: enum memleak_stack_flags */
	__u8 pad[2];
	__u64 frame; /* ALLOC, MMAP, MREMAP: the caller */
	char comm[16];
};

#ifndef __bpf__
static_assert(sizeof(struct memleak_block_key) == 16, "key without gaps");
static_assert(sizeof(struct memleak_block) == 40, "block without gaps");
static_assert(sizeof(struct memleak_site_key) == 16, "key without gaps");
static_assert(sizeof(struct memleak_site) == 16, "site without gaps");
static_assert(sizeof(struct memleak_wrong_key) == 24, "key without gaps");
static_assert(sizeof(struct memleak_wrong) == 48, "record without gaps");
static_assert(sizeof(struct memleak_freed_key) == 16, "key without gaps");
static_assert(sizeof(struct memleak_freed) == 32, "record without gaps");
static_assert(sizeof(struct memleak_stack) == 16 + 8 * (MEMLEAK_MAX_FRAMES + 1),
	      "stack without gaps");
static_assert(sizeof(struct memleak_process) == 144, "process without gaps");
static_assert(sizeof(struct memleak_file_key) == 24, "key without gaps");
static_assert(sizeof(struct memleak_table) == 24, "table without gaps");
static_assert(sizeof(struct memleak_mapping) == 32, "mapping without gaps");
static_assert(sizeof(struct memleak_vma) == 40, "mapping without gaps");
static_assert(sizeof(struct memleak_argument) == 16, "argument without gaps");
static_assert(sizeof(struct memleak_event) == 96, "event without gaps");
#endif

#endif
