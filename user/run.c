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
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "privilege.h"
#include "sandbox/sandbox.h"
#include "target/command.h"
#include "target/preload.h"
#include "target/process.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "write.h"

void run__stop(struct run *r, int error)
{
	r->done = true;
	if (!r->error)
		r->error = error;
}

int run__watch(struct run *r, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
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

/* Whoever looks at a view wants to see something. */
#define LIVE_FIRST_S 1.0

/* At least a nanosecond: none at all would be no time to wait for. */
static struct timespec to_timespec(double seconds)
{
	struct timespec t = {.tv_sec = seconds};

	t.tv_nsec = (seconds - t.tv_sec) * 1e9;
	if (!t.tv_sec && !t.tv_nsec)
		t.tv_nsec = 1;
	return t;
}

/* The first time after @first seconds, then after @again each; 0: no more. */
static int set_timer(int fd, double first, double again)
{
	struct itimerspec t = {.it_value = to_timespec(first)};

	if (again)
		t.it_interval = to_timespec(again);
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
		err = run_report__sync_blocks(r);
	clock_gettime(CLOCK_MONOTONIC, &after);
	took = (after.tv_sec - before.tv_sec) + (after.tv_nsec - before.tv_nsec) / 1e9;
	if (!err)
		err = set_timer(r->blocks_timer, fmax(BLOCKS_LAG_S, 3 * took), 0);
	if (err) {
		log_error("cannot read the kernel's tables: %s", strerror(-err));
		run__stop(r, err);
	}
}

static void handle_events(struct run *r)
{
	int err = probe__consume(r->probe);

	if (!err && collector__needs_sweep(r->collector))
		err = collector__sweep(r->collector, run_report__lists_blocks(r));
	if (err) {
		log_error("cannot read the kernel's events: %s", strerror(-err));
		run__stop(r, err);
	}
}

static bool all_ended(const struct run *r)
{
	if (run__is_wide(r) || r->alive)
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
				run_target__ended(r, fd);
		}
	}
}

/* --- set-up --- */

/* Asked for before it can be given, a report waits; it is no reason to die. */
static void hold_requests(struct run *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &r->inherited_mask);
}

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

static int start_timer(struct run *r, double first, double again, int *ret)
{
	int err;

	*ret = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (*ret < 0)
		return -errno;
	err = set_timer(*ret, first, again);
	return err ? err : run__watch(r, *ret, EPOLLIN);
}

static int start_timers(struct run *r)
{
	double interval = r->o->interval_s;
	double first = r->o->live && !r->o->count ? fmin(interval, LIVE_FIRST_S) : interval;
	int err = start_timer(r, first, interval, &r->timer);

	if (!err && r->blocks)
		err = start_timer(r, BLOCKS_LAG_S, 0, &r->blocks_timer);
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
		.all = run__is_wide(r),
		.cgroup = o->cgroup,
		.follow = o->follow,
		.families = o->families,
		.min_size = o->min_size,
		.max_size = o->max_size,
		.sample = {.rate = o->sample_rate, .mean = o->sample_bytes},
		.drawn = o->preload && o->sample_bytes,
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
		.trace = o->trace ? run_report__trace : NULL,
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
		err = symbolizer__create(&symbols, run_report__locate_module, r, &r->symbolizer);
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
	err = tracer__create(&run_target_callbacks, r, o->follow, at_exit, &r->tracer);
	if (err || !checks)
		return err;
	return checker__create(&options, r->probe, r->collector, r->tracer, &r->checker);
}

static int fork_command(struct run *r)
{
	CLEANUP(preload__release) struct preload preload = {0};
	struct command_inherited inherited = {
		.stdio = {-1, -1, -1},
		.blocked = r->inherited_mask,
	};
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
		err = suppressions__create(&r->suppressions);
	for (i = 0; i < r->o->nr_suppressions && !err; i++)
		err = suppressions__load(r->suppressions, r->sandbox, r->o->suppressions[i]);
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
		err = run_target__attach(r);
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

	hold_requests(&r);
	err = prepare(&r);
	if (err == -ENOMEM)
		log_error("not enough memory: nothing is traced");
	if (err == -EMFILE)
		log_error("the limit on open files is too low: see `ulimit -n`");
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
