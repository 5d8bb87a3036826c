// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/walk.h"

#include "bpf/unwind.bpf.h"

static __always_inline int unwind_read(void *ctx, void *to, __u32 size, __u64 addr)
{
	const struct unwind_world *w = ctx;

	return w->read(w->context, to, size, addr);
}

int unwind_walk__step(const struct unwind_world *w, struct unwind_regs *regs)
{
	struct unwind_rule rule;
	bool by_fp;
	int err = w->rule(w->context, unwind_search_pc(regs), &rule);

	if (err)
		return err < 0 ? err : UNWIND_NO_MAPPING;
	return unwind_step(regs, &rule, UNWIND_NO_ROW, (void *)w, &by_fp);
}
