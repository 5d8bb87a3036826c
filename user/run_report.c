// SPDX-License-Identifier: GPL-2.0-or-later
/* Making reports of a run, and bringing them to where they go. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "classes.h"
#include "probe/stacks.h"
#include "profile/filter.h"
#include "report/report.h"
#include "run_private.h"
#include "sandbox/sandbox.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "write.h"

int run_report__locate_module(void *context, uint32_t id, struct symbol_source *ret)
{
	struct run *r = context;
	struct probe_tables t;
	const struct file *f;

	if (id & STACKS_JIT_MODULE) {
		*ret = (struct symbol_source){.fd = -1, .jit_pid = id & ~STACKS_JIT_MODULE};
		return 0;
	}
	probe__tables(r->probe, &t);
	f = files__get(t.files, id);
	/* No names are better than those of another program. */
	if (!f || !probe__file_is_unchanged(r->probe, id))
		return -ENOENT;
	*ret = (struct symbol_source){.fd = f->object->fd, .path = f->object->path};
	return 0;
}

/* Whether a leak check belongs to a report. */
static bool wants_check(const struct run *r, bool final)
{
	return r->o->leak_check == OPTIONS_LEAK_CHECK_EACH ||
	       (final && r->o->leak_check == OPTIONS_LEAK_CHECK_FINAL);
}

static void note_errors(struct run *r, const struct profile *p)
{
	size_t i;

	for (i = 0; p->final && i < p->processes.count; i++)
		r->errors_found |= p->processes.items[i].leaks[PROFILE_VERDICT_DEFINITE].blocks;
	for (i = 0; p->final && i < p->wrong_frees.count; i++)
		r->errors_found |= !p->wrong_frees.items[i].suppressed;
}

static int name_classes(void *context, const void *key, const void *value)
{
	struct run *r = context;
	const struct memleak_process *p = value;
	int err = classes__name_wrong_frees(r->sandbox, r->collector, p->tgid, p->tgid);

	(void)key;
	if (err)
		log_debug("types of wrong frees of process %u: %s", p->tgid, strerror(-err));
	return 0;
}

/* Bring a profile into order and name its frames: all of them for the files of -w and for whatever
 * looks at names, otherwise those that the report shows. */
static int name_profile(struct run *r, struct profile *p, bool saved)
{
	bool all = saved || r->suppressions || r->o->focus || r->o->ignore;
	bool text = r->o->format == OPTIONS_FORMAT_TEXT;
	int err = profile__sort(p, r->o->sort);

	/* The view names what it shows. */
	if (!err && (all || !r->live))
		err = symbolizer__resolve(r->symbolizer, p, all ? UINT64_MAX : r->o->top,
					  text ? r->o->leak_kinds : PROFILE_ALL_KINDS);
	p->losses.unread_files = sandbox__unread(r->sandbox);
	if (!err && r->suppressions)
		suppressions__apply(r->suppressions, p);
	return err;
}

static int print_profile(struct run *r, struct profile *p)
{
	int err = filter__stacks(p, r->o->focus, r->o->ignore);

	if (!err && (r->o->focus || r->o->ignore))
		err = profile__sort(p, r->o->sort);
	return err ? err : write__report(r->o, p, r->out);
}

static int show_profile(struct run *r, struct profile *p)
{
	int err = filter__stacks(p, r->o->focus, r->o->ignore);

	if (err)
		profile__destroy(p);
	return err ? err : live__show(r->live, p);
}

/* More hits of probes than these take some percent of a processor. */
#define MANY_HITS_PER_S 10000
#define SHORTEST_RATE_S 0.1

/* Who watches the whole machine slows all of it down: say once how often. */
static void warn_of_hits(struct run *r, uint64_t hits, double now_s)
{
	double rate = now_s > r->hits_at_s ? (hits - r->hits) / (now_s - r->hits_at_s) : 0;

	if (now_s - r->hits_at_s < SHORTEST_RATE_S)
		return;
	r->hits = hits;
	r->hits_at_s = now_s;
	if (rate < MANY_HITS_PER_S || r->warned_of_hits)
		return;
	r->warned_of_hits = true;
	log_warning("%.0f calls a second are traced, and each costs its caller some microseconds: "
		    "-p or --cgroup would trace fewer",
		    rate);
}

/* Whether single blocks are wanted of what ends. */
bool run_report__lists_blocks(const struct run *r)
{
	return r->o->show_allocs || r->blocks;
}

/* The files of --blocks-dir as of now. */
int run_report__sync_blocks(struct run *r)
{
	struct collect_options o = {.peek = true, .final = true, .blocks = true};
	struct profile *p;
	int err;

	if (!r->blocks)
		return 0;
	err = collector__activity(r->collector, &r->activity);
	if (!err)
		err = collector__run(r->collector, &o, &p);
	if (err)
		return err;
	err = blocks_dir__sync(r->blocks, p);
	profile__destroy(p);
	return err;
}

/* What reports and the files of -w are made of. */
static int collect(struct run *r, struct collect_options *o, struct profile **ret)
{
	size_t i;
	int err;

	o->blocks = run_report__lists_blocks(r);
	err = collector__run(r->collector, o, ret);
	for (i = 0; !err && !r->o->show_allocs && i < (*ret)->entries.count; i++)
		(*ret)->entries.items[i].nr_blocks = 0;
	return err;
}

void run__report(struct run *r, bool final)
{
	struct collect_options o = {
		.older_ns = final ? 0 : r->o->older_ms * 1000000,
		.final = final,
	};
	struct profile *p;
	int err = wants_check(r, final) ? checker__run(r->checker) : 0;
	uint64_t hits = probe__hits(r->probe); /* of the moment that the report is of */

	if (!err && r->o->diagnose)
		err = collector__for_each_process(r->collector, name_classes, r);
	if (!err)
		err = run_report__sync_blocks(r);
	if (!err)
		err = collect(r, &o, &p);
	if (err) {
		log_error("cannot read the kernel's tables: %s", strerror(-err));
		run__stop(r, err);
		return;
	}
	if (run__is_wide(r))
		warn_of_hits(r, hits, p->elapsed_s);
	p->command = r->o->target == OPTIONS_TARGET_COMMAND;
	err = name_profile(r, p, final && r->o->nr_writes);
	note_errors(r, p);
	if (!err && final && write__files(r->o, p))
		r->unsaved = true;
	if (!err && r->live)
		err = show_profile(r, TAKE_PTR(p));
	else if (!err)
		err = print_profile(r, p);
	profile__destroy(p);
	if (err && err != -EPIPE)
		log_error("cannot write the report: %s", strerror(-err));
	if (!err)
		err = probe__free_tables(r->probe);
	if (err)
		run__stop(r, err);
}

int run__save(struct run *r, const struct options *o)
{
	struct collect_options collected = {.peek = true};
	struct profile *p;
	int err;

	err = collect(r, &collected, &p);
	if (err) {
		log_error("cannot read the kernel's tables: %s", strerror(-err));
		run__stop(r, err);
		return err;
	}
	p->command = r->o->target == OPTIONS_TARGET_COMMAND;
	err = name_profile(r, p, true);
	if (err) {
		log_error("cannot name the stacks: %s", strerror(-err));
		run__stop(r, err);
	} else {
		err = write__files(o, p); /* there will be another try at the end */
	}
	profile__destroy(p);
	return err;
}

void run_report__trace(void *context, const struct memleak_event *e)
{
	struct run *r = context;
	struct report_options o = {.color = write__wants_color(r->o, r->out)};
	struct timespec real, mono;
	char caller[4200], comm[sizeof(e->comm) + 1] = "";
	struct report_event line = {
		.pid = e->tgid,
		.tid = e->tid,
		.comm = comm,
		.operation = e->type == MEMLEAK_EVENT_ALLOC ? "alloc" : "free",
		.family = probe__family_name(r->probe, e->family),
		.addr = e->addr,
		.bytes = e->size,
	};
	int err;

	memcpy(comm, e->comm, sizeof(e->comm));
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	line.time_ms =
		real.tv_sec * 1000LL + real.tv_nsec / 1000000 -
		((mono.tv_sec * 1000000000LL + mono.tv_nsec) - (int64_t)e->time_ns) / 1000000;
	if (e->frame && collector__name_frame(r->collector, e->frame, caller, sizeof(caller)))
		line.caller = caller;
	err = r->o->format == OPTIONS_FORMAT_JSON ? report__event_json(&line, &o, r->out)
						  : report__event_text(&line, &o, r->out);
	if (err)
		run__stop(r, err);
}
