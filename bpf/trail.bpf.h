/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_TRAIL_BPF_H
#define MEMLEAK_BPF_TRAIL_BPF_H

/*
 * The trail of a walk (bpf/deferred.h): which words of the stack it has gone by. Steps that are
 * plain go by the return address, and by the frame pointer where the next frame is found by it; a
 * walk with any other step leaves no trail.
 */

#include "bpf/walked.bpf.h"

#define TRAIL_LOST (MEMLEAK_TRAIL_WORDS + 1)

static __always_inline void lose_trail(struct walk *w)
{
	w->trail.n = TRAIL_LOST;
}

static __always_inline void note_word(struct walk *w, __u64 addr, __u64 value)
{
	__u64 words = (addr - w->trail.frame) / 8, n = w->trail.n;

	if (n >= MEMLEAK_TRAIL_WORDS || words > 0xffff) {
		lose_trail(w);
		return;
	}
	UNWIND_BARRIER(n);
	w->trail.words[n & 63] = value;
	w->trail.at[n & 63] = words;
	w->trail.n = n + 1;
}

/* The walk begins with the frame at @frame (System V ABI, x86-64, 3.2.2; AAPCS64, 6.4.6), which
 * ends @cfa bytes above, in @epoch. */
static __always_inline void begin_trail(struct walk *w, __u64 frame, __u32 cfa, __u64 epoch)
{
	w->trail.n = 0;
	w->trail.frame = frame;
	w->trail.cfa = cfa;
	w->trail.epoch = epoch;
	w->trail_fp = frame;
	note_word(w, frame + 8, w->regs.ip);
}

/* A plain @step has been taken. */
static __always_inline void note_step(struct walk *w, __u32 step)
{
	__u64 cfa = w->regs.sp, fp = UNWIND_STEP_FP(step);

	if (w->trail.n > MEMLEAK_TRAIL_WORDS)
		return;
	if (!UNWIND_STEP_WORDS(step)) {
		/* By the frame pointer, which is in the trail then. */
		note_word(w, w->trail_fp, cfa - 16);
		fp = 1;
	}
	if (fp)
		w->trail_fp = cfa - 8 - 8 * fp;
	note_word(w, cfa - 8, w->regs.ip);
}

/* Whether the walk, which is over, has left a trail. */
static __always_inline bool has_trail(const struct walk *w)
{
	return w->result == UNWIND_COMPLETE && !w->stack.flags && !w->saw_through &&
	       w->trail.n <= MEMLEAK_TRAIL_WORDS;
}

#endif
