// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One run: options in, probes in, reports out, probes out.
 *
 * Everything that happens arrives at one epoll: signals (also of children), the interval, the
 * kernel's events, the end of processes. Nothing is polled: between reports the tool does not run,
 * but for a look at counters four times a second with --blocks-dir.
 */
#include "run.h"

#include "run_private.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#include "classes.h"
#include "privilege.h"
#include "probe/stacks.h"
#include "profile/filter.h"
#include "report/report.h"
#include "sandbox/sandbox.h"
#include "symbol/demangle.h"
#include "target/command.h"
#include "target/preload.h"
#include "target/process.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "write.h"

/* --- reports --- */

static int locate_module(void *context, uint32_t id, struct symbol_source *ret)
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
	if (!f)
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

void run__stop(struct run *r, int error)
{
	r->done = true;
	if (!r->error)
		r->error = error;
}

static bool is_wide(const struct run *r)
{
	return r->o->target == OPTIONS_TARGET_ALL || r->o->target == OPTIONS_TARGET_CGROUP;
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
static bool lists_blocks(const struct run *r)
{
	return r->o->show_allocs || r->blocks;
}

/* The files of --blocks-dir as of now. */
static int sync_blocks(struct run *r)
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

	o->blocks = lists_blocks(r);
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
		err = sync_blocks(r);
	if (!err)
		err = collect(r, &o, &p);
	if (err) {
		log_error("cannot read the kernel's tables: %s", strerror(-err));
		run__stop(r, err);
		return;
	}
	if (is_wide(r))
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

static void trace_event(void *context, const struct memleak_event *e)
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

/* --- targets --- */

/* The command itself cannot be traced: nothing of its own has run yet, so ending it loses nothing.
 */
static void refuse_command(struct run *r, int err, const char *why)
{
	log_error("cannot trace '%s': %s", r->o->command[0], why);
	kill(r->command, SIGKILL);
	run__stop(r, err);
}

/* Probe a program at its start; what to do with it. */
static enum tracer_verdict attach_program(struct run *r, pid_t pid)
{
	char why[512];
	int err = probe__attach(r->probe, pid, why, sizeof(why));
	bool first = pid == r->command && !r->attached;

	if (err == -EAGAIN)
		return TRACER_KEEP_UNBLOCKED; /* until its libraries are mapped */
	if (err && first)
		refuse_command(r, err, why);
	else if (err && err != -ESRCH && hash__get(&r->refused, pid, 0) == HASH_NONE) {
		log_warning("process %d is not traced: %s", pid, why);
		hash__set(&r->refused, pid, 0, 0); /* without memory it is said twice */
	}
	if (pid == r->command)
		r->attached = true;
	if (r->o->follow || r->checker)
		return TRACER_GO_ON;
	probe__set_traced(r->probe, false);
	return TRACER_DETACH;
}

static enum tracer_verdict program_started(void *context, pid_t pid, bool by_thread)
{
	struct run *r = context;
	int err = by_thread ? probe__renew(r->probe, pid) : 0;
	enum tracer_verdict verdict;

	if (!r->command) { /* the first one is the command itself */
		r->command = pid;
		probe__set_traced(r->probe, true);
		probe__enable(r->probe);
	}
	if (err)
		log_warning("the new program of process %d is not traced: %s", pid, strerror(-err));
	if (r->checker)
		checker__program_started(r->checker, pid);
	verdict = attach_program(r, pid);
	probe__set_complete(r->probe, pid);
	return verdict;
}

static void process_forked(void *context, pid_t pid)
{
	struct run *r = context;
	int err = probe__renew(r->probe, pid);

	if (err)
		log_warning("process %d is not traced: %s", pid, strerror(-err));
	hash__remove(&r->refused, pid, 0);
	if (r->checker)
		checker__process_forked(r->checker, pid);
	attach_program(r, pid);
}

static void process_exiting(void *context, pid_t pid, pid_t tid)
{
	struct run *r = context;

	if (r->o->leak_check != OPTIONS_LEAK_CHECK_NO)
		checker__run_at_exit(r->checker, pid, tid);
}

static bool process_signalled(void *context, pid_t pid, pid_t tid, enum tracer_verdict *verdict)
{
	struct run *r = context;

	if (!probe__signalled(r->probe, tid))
		return false;
	*verdict = attach_program(r, pid);
	run_preload__look(r, pid);
	return true;
}

static void command_ended(void *context, int status)
{
	struct run *r = context;

	r->alive--;
	r->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static const struct tracer_callbacks tracer_callbacks = {
	.started = program_started,
	.forked = process_forked,
	.signalled = process_signalled,
	.ended = command_ended,
	.exiting = process_exiting,
};

static int start_command(struct run *r)
{
	int err = tracer__launch(r->tracer, &r->forked);

	command__release(&r->forked);
	r->alive = !err;
	return err;
}

int run__watch(struct run *r, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

static int attach_pid(struct run *r, pid_t pid)
{
	char why[512];
	int fd, err;

	fd = pidfd_open(pid, 0);
	err = fd < 0 ? -errno : vector_push(&r->pidfds, fd);
	if (!err)
		err = run__watch(r, fd, EPOLLIN);
	if (!err && r->o->follow) {
		err = tracer__seize(r->tracer, pid);
		probe__set_traced(r->probe, true);
	}
	if (err) {
		log_error("cannot trace process %d: %s", pid,
			  err == -ESRCH ? "it has just ended" : strerror(-err));
		return err;
	}
	err = probe__attach(r->probe, pid, why, sizeof(why));
	if (err) {
		log_error("cannot trace process %d: %s", pid, why);
		return err;
	}
	r->alive++;
	return 0;
}

static int attach_targets(struct run *r)
{
	size_t i;
	int err = 0;

	switch (r->o->target) {
	case OPTIONS_TARGET_COMMAND:
		return start_command(r);
	case OPTIONS_TARGET_CGROUP:
	case OPTIONS_TARGET_ALL:
		err = probe__attach_all(r->probe);
		break;
	case OPTIONS_TARGET_PIDS:
		for (i = 0; i < r->o->nr_pids && !err; i++)
			err = attach_pid(r, r->o->pids[i]);
		break;
	}
	if (err)
		return err;
	probe__enable(r->probe);
	if (is_wide(r))
		return probe__catch_up(r->probe, 0);
	for (i = 0; i < r->o->nr_pids && !err; i++)
		err = probe__catch_up(r->probe, r->o->pids[i]);
	return err;
}

static void handle_pidfd(struct run *r, int fd)
{
	size_t i;

	for (i = 0; i < r->pidfds.count; i++) {
		if (r->pidfds.items[i] != fd)
			continue;
		close(fd); /* leaves the epoll too */
		r->pidfds.items[i] = -1;
		r->alive--;
	}
}

/* --- what happens --- */

static void handle_interrupt(struct run *r, const struct signalfd_siginfo *info)
{
	if (r->o->target != OPTIONS_TARGET_COMMAND || r->interrupts++) {
		r->done = true;
		return;
	}
	/* The first one is the command's. A terminal has sent it there too; kill(1) has not. */
	if (info->ssi_code <= 0 && r->command)
		kill(r->command, SIGINT);
}

static void handle_signals(struct run *r)
{
	struct signalfd_siginfo info;

	while (read(r->signals, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGINT:
			handle_interrupt(r, &info);
			break;
		case SIGTERM:
		case SIGHUP:
		case SIGQUIT:
			r->done = true;
			break;
		case SIGWINCH:
			if (r->live)
				live__resize(r->live);
			break;
		case SIGUSR1:
			if (r->o->nr_writes)
				run__save(r, r->o);
			run__report(r, false);
			break;
		case SIGCHLD:
			if (r->tracer)
				tracer__dispatch(r->tracer);
			break;
		}
	}
}

static void handle_timer(struct run *r)
{
	uint64_t ticks;

	if (read(r->timer, &ticks, sizeof(ticks)) != sizeof(ticks))
		return;
	if (r->live && view__paused(live__view(r->live)))
		return;
	r->reports++;
	if (r->o->count && r->reports >= r->o->count)
		r->done = true; /* the final report is the last of them */
	else
		run__report(r, false);
}

static int set_timer(int fd, double seconds, bool repeats)
{
	struct itimerspec t = {.it_value.tv_sec = seconds};

	t.it_value.tv_nsec = (seconds - t.it_value.tv_sec) * 1e9;
	if (!t.it_value.tv_sec && !t.it_value.tv_nsec)
		t.it_value.tv_nsec = 1;
	if (repeats)
		t.it_interval = t.it_value;
	return timerfd_settime(fd, 0, &t, NULL) ? -errno : 0;
}

/* How long the files of --blocks-dir may lag behind; longer only so that keeping them takes no more
 * than a quarter of a processor. */
#define BLOCKS_LAG_S 0.25

static void handle_blocks_timer(struct run *r)
{
	struct timespec before, after;
	uint64_t ticks, activity;
	double took;
	int err;

	if (read(r->blocks_timer, &ticks, sizeof(ticks)) != sizeof(ticks))
		return;
	clock_gettime(CLOCK_MONOTONIC, &before);
	err = collector__activity(r->collector, &activity);
	if (!err && activity != r->activity)
		err = sync_blocks(r);
	clock_gettime(CLOCK_MONOTONIC, &after);
	took = (after.tv_sec - before.tv_sec) + (after.tv_nsec - before.tv_nsec) / 1e9;
	if (!err)
		err = set_timer(r->blocks_timer, fmax(BLOCKS_LAG_S, 3 * took), false);
	if (err) {
		log_error("cannot read the kernel's tables: %s", strerror(-err));
		run__stop(r, err);
	}
}

/* How many ended images make a sweep between two reports worth while. */
#define SWEEP_IMAGES 256

static void handle_events(struct run *r)
{
	struct probe_tables t;
	int err = probe__consume(r->probe);

	probe__tables(r->probe, &t);
	if (!err && t.nr_exits + t.replaced_images->count >= SWEEP_IMAGES)
		err = collector__sweep(r->collector, lists_blocks(r));
	if (err) {
		log_error("cannot read the kernel's events: %s", strerror(-err));
		run__stop(r, err);
	}
}

static bool all_ended(const struct run *r)
{
	if (is_wide(r) || r->alive)
		return false;
	return !r->tracer || !tracer__count(r->tracer);
}

static void loop(struct run *r)
{
	struct epoll_event events[16];
	int i, n;

	while (!r->done && !all_ended(r)) {
		n = epoll_wait(r->epoll, events, ARRAY_SIZE(events), -1);
		if (n < 0 && errno != EINTR) {
			run__stop(r, -errno);
			return;
		}
		for (i = 0; i < n && !r->error; i++) {
			int fd = events[i].data.fd;

			if (fd == r->signals)
				handle_signals(r);
			else if (fd == r->timer)
				handle_timer(r);
			else if (r->live && fd == STDIN_FILENO)
				run_live__input(r, events[i].events);
			else if (fd == r->blocks_timer)
				handle_blocks_timer(r);
			else if (fd == probe__event_fd(r->probe))
				handle_events(r);
			else
				handle_pidfd(r, fd);
		}
	}
}

/* --- set-up --- */

static int prepare_signals(struct run *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	if (r->o->live) { /* the terminal has to be left as it was */
		sigaddset(&set, SIGHUP);
		sigaddset(&set, SIGQUIT);
		sigaddset(&set, SIGWINCH);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Ignored, children would vanish before they are waited for. */
	signal(SIGCHLD, SIG_DFL);
	r->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return r->signals < 0 ? -errno : run__watch(r, r->signals, EPOLLIN);
}

static int start_timer(struct run *r, double seconds, bool repeats, int *ret)
{
	int err;

	*ret = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (*ret < 0)
		return -errno;
	err = set_timer(*ret, seconds, repeats);
	return err ? err : run__watch(r, *ret, EPOLLIN);
}

static int start_timers(struct run *r)
{
	int err = start_timer(r, r->o->interval_s, true, &r->timer);

	if (!err && r->blocks)
		err = start_timer(r, BLOCKS_LAG_S, false, &r->blocks_timer);
	return err;
}

static int compile_table(void *context, int fd, const char *path, struct unwind_table **ret)
{
	struct run *r = context;

	return symbol__compile_table(r->sandbox, &(struct symbol_source){.fd = fd, .path = path},
				     ret);
}

/* The user's functions as the probe takes them. */
static int prepare_pairs(struct run *r)
{
	const struct pairs *p = &r->o->pairs;
	size_t i;
	int err = 0;

	for (i = 0; i < p->families.count && !err; i++)
		err = vector_push(&r->families, (struct probe_family){
							.name = p->families.items[i].name,
							.resource = p->families.items[i].resource,
						});
	for (i = 0; i < p->functions.count && !err; i++) {
		const struct pairs_function *f = &p->functions.items[i];

		/* Nobody knows what a function does, but for the user. */
		err = vector_push(&r->rows, (struct allocator_row){
						    .name = f->name,
						    .call = f->releases ? MEMLEAK_CALL_RELEASE
									: MEMLEAK_CALL_DESCRIBED,
						    .family = f->family,
						    .may_throw = !f->releases && !f->nothrow,
						    .form = f->form,
					    });
	}
	return err;
}

/* Whether one of the files of -w shows what was outstanding over time. */
static bool keeps_history(const struct options *o)
{
	size_t i;

	for (i = 0; i < o->nr_writes; i++)
		if (o->writes[i].file == OPTIONS_FILE_PPROF ||
		    o->writes[i].file == OPTIONS_FILE_HTML)
			return true;
	return false;
}

/* Whether only part of what is allocated is followed. */
static bool is_partial(const struct options *o)
{
	return o->min_size || o->max_size != UINT64_MAX || o->sample_rate != 1 || o->sample_bytes ||
	       o->pairs.families.count;
}

/* Frees of what is no block can be told where every block is seen, from the start. */
static bool guards(const struct options *o)
{
	return o->diagnose && o->target == OPTIONS_TARGET_COMMAND && !is_partial(o) && !o->object &&
	       !o->symbols_prefix;
}

static int prepare_probe(struct run *r)
{
	const struct options *o = r->o;
	static const enum probe_link links[] = {
		[OPTIONS_LINK_AUTO] = PROBE_LINK_AUTO,
		[OPTIONS_LINK_SESSION] = PROBE_LINK_SESSION,
		[OPTIONS_LINK_MULTI] = PROBE_LINK_MULTI,
		[OPTIONS_LINK_PERF] = PROBE_LINK_PERF,
	};
	struct probe_options probe = {
		.link = links[o->link],
		.all = is_wide(r),
		.cgroup = o->cgroup,
		.follow = o->follow,
		.families = o->target == OPTIONS_TARGET_COMMAND,
		.min_size = o->min_size,
		.max_size = o->max_size,
		.sample = {.rate = o->sample_rate, .mean = o->sample_bytes},
		.max_blocks = o->max_blocks,
		.max_stacks = o->max_stacks,
		.stack_depth = o->stack_depth,
		.max_unwind_memory = o->max_unwind_memory,
		.sites = o->nr_writes || o->live, /* it can save */
		.diagnose = o->diagnose,
		.guard = guards(o),
		.no_sites = o->no_sites,
		.object = o->object,
		.symbols_prefix = o->symbols_prefix,
		.rows = r->rows.items,
		.nr_rows = r->rows.count,
		.families_defined = r->families.items,
		.nr_families_defined = r->families.count,
		.trace = o->trace ? trace_event : NULL,
		.compile = compile_table,
		.sandbox = r->sandbox,
		.context = r,
	};
	struct symbolizer_options symbols = {
		.debuginfod = o->debuginfod,
		.sandbox = r->sandbox,
		.progress = o->verbosity >= 0,
	};
	int err = probe__create(&probe, &r->probe);

	if (!err && o->diagnose && !probe.guard)
		log_info("double and invalid frees are not looked for: not all blocks are seen");
	if (!err)
		err = privilege__settle(strcmp(probe__link_name(r->probe), "perf") == 0);
	if (!err)
		err = collector__create(r->probe, keeps_history(o), &r->collector);
	if (!err)
		err = symbolizer__create(&symbols, locate_module, r, &r->symbolizer);
	return err ? err : run__watch(r, probe__event_fd(r->probe), EPOLLIN);
}

/* What starts, follows or checks processes. */
static int prepare_tracer(struct run *r)
{
	const struct options *o = r->o;
	struct checker_options options = {
		.paths = o->show_reachable_path,
		.sandbox = r->sandbox,
		.partial = is_partial(o),
	};
	bool at_exit = o->leak_check != OPTIONS_LEAK_CHECK_NO;
	bool checks = at_exit || o->live; /* it can ask for one */
	int err;

	if (o->target != OPTIONS_TARGET_COMMAND && !checks &&
	    !(o->follow && o->target == OPTIONS_TARGET_PIDS))
		return 0;
	err = tracer__create(&tracer_callbacks, r, o->follow, at_exit, &r->tracer);
	if (err || !checks)
		return err;
	return checker__create(&options, r->probe, r->collector, r->tracer, &r->checker);
}

static int fork_command(struct run *r)
{
	CLEANUP(preload__release) struct preload preload = {0};
	struct command_inherited inherited = {.stdio = {-1, -1, -1}};
	size_t i;
	int err = r->o->live ? run_live__divert_command(r, inherited.stdio) : 0;

	if (!err && r->o->preload)
		err = run_preload__prepare(r, &preload);
	inherited.variables = preload.variables;
	if (!err)
		err = command__fork(r->o->command, r->o->user, &inherited, &r->forked);
	for (i = 0; i < ARRAY_SIZE(inherited.stdio); i++)
		cleanup_close(&inherited.stdio[i]);
	return err;
}

/* What is refused is refused at once, before anything is loaded; the command is forked off before
 * anything is changed. */
static int prepare_privileges(struct run *r)
{
	size_t i;
	int err = 0;

	for (i = 0; i < r->o->nr_pids && !err; i++)
		err = process__check(r->o->pids[i]);
	if (!err)
		err = write__check(r->o);
	if (!err && r->o->live)
		err = live__check();
	if (!err && r->o->target == OPTIONS_TARGET_COMMAND)
		err = fork_command(r);
	return err ? err : privilege__reduce(r->o, r->forked.as_other);
}

/* Every file that is mapped stays open. */
static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int prepare(struct run *r)
{
	size_t i;
	int err = prepare_privileges(r);

	raise_limits();
	if (!err)
		err = sandbox__create(&r->sandbox);
	if (!err && r->o->nr_suppressions)
		err = suppressions__create(demangle, &r->suppressions);
	for (i = 0; i < r->o->nr_suppressions && !err; i++)
		err = suppressions__load(r->suppressions, r->o->suppressions[i]);
	if (!err && r->o->blocks_dir)
		err = blocks_dir__open(r->o->blocks_dir, &r->blocks);
	if (err)
		return err;
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = r->epoll < 0 ? -errno : prepare_signals(r);
	if (!err)
		err = prepare_pairs(r);
	if (!err)
		err = prepare_probe(r);
	if (!err)
		err = write__open(r->o, &r->out);
	if (!err)
		err = prepare_tracer(r);
	if (!err)
		err = attach_targets(r);
	return err ? err : start_timers(r);
}

static void release(struct run *r)
{
	size_t i;

	free(r->output_path);
	blocks_dir__close(r->blocks);
	command__release(&r->forked);
	tracer__destroy(r->tracer);
	checker__destroy(r->checker);
	suppressions__destroy(r->suppressions);
	symbolizer__destroy(r->symbolizer);
	collector__destroy(r->collector);
	probe__destroy(r->probe);
	sandbox__destroy(r->sandbox);
	if (r->out && r->out != stdout)
		fclose(r->out);
	for (i = 0; i < r->pidfds.count; i++)
		if (r->pidfds.items[i] >= 0)
			close(r->pidfds.items[i]);
	vector_release(&r->pidfds);
	vector_release(&r->rows);
	vector_release(&r->families);
	hash__release(&r->refused);
	cleanup_close(&r->timer);
	cleanup_close(&r->blocks_timer);
	cleanup_close(&r->signals);
	cleanup_close(&r->epoll);
}

int run(const struct options *o)
{
	struct run r = {.o = o, .epoll = -1, .signals = -1, .timer = -1, .blocks_timer = -1};
	bool ended = false;
	int err;

	err = prepare(&r);
	if (err == -ENOMEM)
		log_error("not enough memory: nothing is traced");
	if (err)
		r.error = err; /* a command that was refused has left its own */
	if (!r.error && o->live)
		run_live__open(&r);
	if (!r.error)
		loop(&r);
	run_live__close(&r);
	if (!r.error) {
		ended = all_ended(&r);
		run__report(&r, true);
		probe__log_walks(r.probe);
		probe__warn_unfound(r.probe);
	}
	run_live__say_output(&r);
	release(&r);
	if (r.error == -EPIPE)
		return 0;
	if (r.error || r.unsaved)
		return 1;
	if (r.errors_found && o->error_exitcode)
		return o->error_exitcode;
	return ended && o->target == OPTIONS_TARGET_COMMAND ? r.status : 0;
}
