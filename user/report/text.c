// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/text_private.h"

#include <inttypes.h>

#include "util/cleanup.h"

#define SHOWN_PROCESSES 10

/* What names of processes are cut to. */
#define COMM_COLUMNS 16

/* "12.1 KiB ± 1.2 KiB in 100 blocks"; without an error as report_text__sum. */
static const char *estimate_of(char buf[static 3 * FORMAT_SIZE], const struct profile_sum *sum,
			       const struct profile_error *error)
{
	char bytes[FORMAT_SIZE], either_way[FORMAT_SIZE], blocks[FORMAT_SIZE];

	format__bytes(either_way, error->bytes + 0.5);
	snprintf(buf, 3 * FORMAT_SIZE, "%s%s%s in %s", format__bytes(bytes, sum->bytes),
		 error->bytes > 0 ? " ± " : "", error->bytes > 0 ? either_way : "",
		 report_text__count(blocks, sum->blocks, "block"));
	return buf;
}

static void print_sampling(struct text *t)
{
	char n[FORMAT_SIZE];

	if (t->p->sampling == PROFILE_SAMPLE_RATE)
		stream__print(&t->s, "  sampled: one allocation in %s",
			      format__number(n, t->p->sampling_value));
	else if (t->p->sampling == PROFILE_SAMPLE_BYTES)
		stream__print(&t->s, "  sampled: one allocation every %s",
			      format__bytes(n, t->p->sampling_value));
	else
		return;
	stream__print(&t->s, "; these are estimates, ± is their standard error\n");
}

/* Losses */

static uint64_t add_up(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* For the line that a report starts with. */
static void print_lost(struct text *t)
{
	const struct profile_losses *l = &t->p->losses;
	uint64_t lost = add_up(add_up(l->blocks, l->frees), add_up(l->stacks, l->events));
	uint64_t incomplete = add_up(l->truncated_stacks, l->broken_stacks);
	char n[FORMAT_SIZE];

	if (lost)
		print_styled(t, STYLE_WARNING, "; %s lost", format__count(n, lost));
	if (incomplete)
		print_styled(t, STYLE_WARNING, "; %s incomplete",
			     report_text__count(n, incomplete, "stack"));
}

/* A line for each kind of loss, with the option that prevents it. */
static void print_losses(struct text *t)
{
	const struct profile_losses *l = &t->p->losses;
	const struct {
		uint64_t n;
		const char *what, *unit, *why;
	} rows[] = {
		{less(l->blocks, add_up(l->no_memory, l->unreadable)), "", "allocation",
		 "(table full): raise --max-blocks"},
		{l->no_memory, "", "allocation", "(the kernel had no room at that moment)"},
		{l->unreadable, "", "allocation", "(the pointer could not be read)"},
		{l->frees, "", "free", "(not seen, or not told before the process ended)"},
		{less(l->stacks, l->stacks_no_memory), "the stacks of ", "block",
		 "(table full): raise --max-stacks"},
		{l->stacks_no_memory, "the stacks of ", "block",
		 "(the kernel had no room at that moment)"},
		{l->truncated_stacks, "the outer frames of ", "stack",
		 "(too deep): raise --stack-depth"},
		{l->broken_stacks, "the outer frames of ", "stack", "(nothing led further)"},
		{l->events, "", "event",
		 "(buffer or table full): mappings or processes may be missing"},
		{l->wrong_frees, "", "wrong free", "(table full): there are more places of them"},
		{l->sites, "", "allocation",
		 "in alloc_* of -w (table full, or no memory): raise --max-stacks"},
		{l->unread_files, "names and outer frames in ", "file",
		 "(the process that reads files died of it)"},
	};
	char count[FORMAT_SIZE], age[FORMAT_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].n)
			print_styled(t, STYLE_WARNING, "  lost: %s%s %s\n", rows[i].what,
				     report_text__count(count, rows[i].n, rows[i].unit),
				     rows[i].why);
	if (l->late)
		print_styled(
			t, STYLE_WARNING,
			"  lost: what %s (programs, libraries) allocated in up to %s before the "
			"probes were in\n",
			report_text__count(count, l->late, "file"), format__age(age, l->late_ms));
}

/* Processes */

/* "comm[pid]" */
static const char *process_name(char buf[static FORMAT_NAME_SIZE + 16],
				const struct profile_process *process)
{
	char comm[FORMAT_NAME_SIZE];

	format__name(comm, process->comm, COMM_COLUMNS * 4);
	snprintf(buf, FORMAT_NAME_SIZE + 16, "%s[%" PRIu32 "]", comm, process->pid);
	return buf;
}

static void print_growth(struct text *t, int64_t growth)
{
	char change[FORMAT_SIZE];

	if (growth)
		stream__print(&t->s, " (%s)", format__change(change, growth));
	else if (t->p->seq > 1)
		stream__print(&t->s, " (unchanged)");
}

static void print_process_line(struct text *t, const struct profile_process *process)
{
	char time[FORMAT_SIZE], name[FORMAT_NAME_SIZE + 16];
	char sum[3 * FORMAT_SIZE], n[FORMAT_SIZE];

	print_styled(t, STYLE_TITLE, "[%s] %s%s:", format__clock(time, t->p->time_ms, false),
		     process_name(name, process), process->running ? "" : " ended");
	stream__print(&t->s, " %s outstanding",
		      estimate_of(sum, &process->outstanding, &process->error));
	if (process->running)
		print_growth(t, process->growth_bytes);
	stream__print(&t->s, "; %s", report_text__count(n, process->allocs, "alloc"));
	stream__print(&t->s, ", %s", report_text__count(n, process->frees, "free"));
	if (t->p->processes.count == 1)
		print_lost(t);
	stream__print(&t->s, "\n");
	if (process->mmap.blocks)
		stream__print(&t->s, "  mmap: %s, %s\n",
			      report_text__count(n, process->mmap.blocks, "mapping"),
			      format__bytes(sum, process->mmap.bytes));
	if (process->resources)
		stream__print(&t->s, "  held: %s\n",
			      report_text__count(n, process->resources, "resource"));
}

/* For reports without that block: a line. */
static void print_leak_line(struct text *t, const struct profile_process *process)
{
	char sum[2 * FORMAT_SIZE], bytes[FORMAT_SIZE], ms[FORMAT_SIZE];
	const struct profile_sum *l = process->leaks;

	if (!process->checked || t->o->heap_summary)
		return;
	stream__print(&t->s, "  leaks: %s definitely lost",
		      report_text__sum(sum, &l[PROFILE_VERDICT_DEFINITE]));
	stream__print(&t->s, ", %s indirectly",
		      format__bytes(bytes, l[PROFILE_VERDICT_INDIRECT].bytes));
	stream__print(&t->s, ", %s possibly",
		      format__bytes(bytes, l[PROFILE_VERDICT_POSSIBLE].bytes));
	stream__print(&t->s, "; stopped for %s ms\n", format__decimal(ms, process->pause_ms, 1));
}

static void print_section(struct text *t, const struct profile_process *process)
{
	print_process_line(t, process);
	if (t->p->processes.count == 1) {
		print_sampling(t);
		print_losses(t);
	}
	print_leak_line(t, process);
	report_text__print_wrong_frees(t, process);
	if (process->running || t->p->final)
		report_text__print_entries(t, process);
}

static struct profile_sum sum_processes(const struct profile *p, size_t from)
{
	struct profile_sum sum = {0};

	for (; from < p->processes.count; from++) {
		sum.blocks += p->processes.items[from].outstanding.blocks;
		sum.bytes += p->processes.items[from].outstanding.bytes;
	}
	return sum;
}

/* The line that a report of several processes, or of none, starts with. */
static void print_total(struct text *t)
{
	struct profile_sum total = sum_processes(t->p, 0);
	uint64_t allocs = 0, frees = 0;
	char time[FORMAT_SIZE], n[FORMAT_SIZE], sum[2 * FORMAT_SIZE];
	int64_t growth = 0;
	size_t i;

	for (i = 0; i < t->p->processes.count; i++) {
		allocs += t->p->processes.items[i].allocs;
		frees += t->p->processes.items[i].frees;
		growth = (uint64_t)growth + (uint64_t)t->p->processes.items[i].growth_bytes;
	}
	format__number(n, t->p->processes.count);
	print_styled(t, STYLE_TITLE,
		     "[%s] %s process%s:", format__clock(time, t->p->time_ms, false), n,
		     t->p->processes.count == 1 ? "" : "es");
	stream__print(&t->s, " %s outstanding", report_text__sum(sum, &total));
	print_growth(t, growth);
	stream__print(&t->s, "; %s", report_text__count(n, allocs, "alloc"));
	stream__print(&t->s, ", %s", report_text__count(n, frees, "free"));
	print_lost(t);
	stream__print(&t->s, "\n");
	print_sampling(t);
	print_losses(t);
}

static void print_table(struct text *t)
{
	static const char row[] = "%s  %11s  %9s  %11s  %9s  %9s%s\n";
	size_t n = t->p->processes.count, i;
	struct profile_sum rest = sum_processes(t->p, n < SHOWN_PROCESSES ? n : SHOWN_PROCESSES);
	char bytes[FORMAT_SIZE], blocks[FORMAT_SIZE], growth[FORMAT_SIZE], allocs[FORMAT_SIZE];
	char frees[FORMAT_SIZE], sum[2 * FORMAT_SIZE], comm[FORMAT_NAME_SIZE];
	size_t columns;

	stream__print(&t->s, "\n");
	report_text__start_style(t, STYLE_FAINT);
	stream__print(&t->s, row, "      PID  COMMAND         ", "OUTSTANDING", "BLOCKS", "GROWTH",
		      "ALLOCS", "FREES", "");
	report_text__end_style(t, STYLE_FAINT);
	for (i = 0; i < n && i < SHOWN_PROCESSES; i++) {
		const struct profile_process *process = &t->p->processes.items[i];

		columns = format__name(comm, process->comm, COMM_COLUMNS);
		stream__print(&t->s, "  %7" PRIu32 "  ", process->pid);
		stream__print(&t->s, "%s%*s", comm, (int)(COMM_COLUMNS - columns), "");
		stream__print(&t->s, row, "", format__bytes(bytes, process->outstanding.bytes),
			      format__count(blocks, process->outstanding.blocks),
			      format__change(growth, process->growth_bytes),
			      format__count(allocs, process->allocs),
			      format__count(frees, process->frees),
			      process->running ? "" : " ended");
	}
	if (n > SHOWN_PROCESSES)
		stream__print(&t->s, "  ... and %s more (%s)\n",
			      format__number(bytes, n - SHOWN_PROCESSES),
			      report_text__sum(sum, &rest));
}

static void print_processes(struct text *t)
{
	const struct profile_process *process;
	bool first = true;
	size_t i;

	print_total(t);
	if (t->p->processes.count)
		print_table(t);
	for (i = 0; i < t->p->processes.count; i++) {
		process = &t->p->processes.items[i];
		if (i < SHOWN_PROCESSES) {
			stream__print(&t->s, "\n");
			print_section(t, process);
			continue;
		}
		/* Whoever has ended is listed once; at the end everybody is. */
		if (!t->p->final && process->running)
			continue;
		stream__print(&t->s, "%s", first ? "\n" : "");
		first = false;
		print_process_line(t, process);
	}
}

/* The line that a difference starts with. */
static void print_diff(struct text *t, const struct profile_process *process)
{
	char time[FORMAT_SIZE], name[FORMAT_NAME_SIZE + 16], bytes[FORMAT_SIZE], n[FORMAT_SIZE];

	print_styled(t, STYLE_TITLE, "[%s] %s:", format__clock(time, t->p->time_ms, false),
		     process_name(name, process));
	stream__print(&t->s, " %s", report_text__amount(t, bytes, process->outstanding.bytes));
	stream__print(&t->s, " in %s outstanding",
		      report_text__amount_of(t, n, process->outstanding.blocks, "block"));
	stream__print(&t->s, "; %s", report_text__amount_of(t, n, process->allocs, "alloc"));
	stream__print(&t->s, ", %s", report_text__amount_of(t, n, process->frees, "free"));
	print_lost(t);
	stream__print(&t->s, "\n");
	if (process->mmap.blocks || process->mmap.bytes)
		stream__print(&t->s, "  mmap: %s, %s\n",
			      report_text__amount_of(t, n, process->mmap.blocks, "mapping"),
			      report_text__amount(t, bytes, process->mmap.bytes));
	print_sampling(t);
	print_losses(t);
	if (!process->nr_entries)
		stream__print(&t->s, "\n  No stack has changed.\n");
	report_text__print_entries(t, process);
}

/* HEAP SUMMARY */

static void print_heap_summary(struct text *t, const struct profile_process *process)
{
	char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE], comm[FORMAT_NAME_SIZE];

	stream__print(&t->s, "\n");
	if (t->p->processes.count > 1) {
		format__name(comm, process->comm, COMM_COLUMNS * 4);
		stream__print(&t->s, "%" PRIu32 " %s:\n", process->pid, comm);
	}
	stream__print(&t->s, "HEAP SUMMARY:\n");
	stream__print(&t->s, "    in use at exit: %s bytes in %s blocks\n",
		      format__number(a, process->outstanding.bytes),
		      format__number(b, process->outstanding.blocks));
	stream__print(&t->s, "  total heap usage: %s allocs, %s frees, %s bytes allocated\n",
		      format__number(a, process->allocs), format__number(b, process->frees),
		      format__number(c, process->alloc_bytes));
	stream__print(&t->s, "         peak heap: %s bytes, %s s after the start\n",
		      format__number(a, process->peak_bytes),
		      format__decimal(b, process->peak_at_s, 1));
}

/* LEAK SUMMARY */

static void print_leak_summary(struct text *t, const struct profile_process *process)
{
	const struct {
		const char *name;
		const struct profile_sum *sum;
	} rows[] = {
		{"definitely lost", &process->leaks[PROFILE_VERDICT_DEFINITE]},
		{"indirectly lost", &process->leaks[PROFILE_VERDICT_INDIRECT]},
		{"possibly lost", &process->leaks[PROFILE_VERDICT_POSSIBLE]},
		{"still reachable", &process->leaks[PROFILE_VERDICT_REACHABLE]},
		{"suppressed", &process->suppressed},
	};
	char bytes[FORMAT_SIZE], blocks[FORMAT_SIZE];
	size_t i;

	if (!process->checked)
		return;
	stream__print(&t->s, "\nLEAK SUMMARY:\n");
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		stream__print(&t->s, "%18s: %s bytes in %s blocks\n", rows[i].name,
			      format__number(bytes, rows[i].sum->bytes),
			      format__number(blocks, rows[i].sum->blocks));
}

int report__text(const struct profile *p, const struct report_options *o, FILE *out)
{
	struct text t = {.s = {.out = out}, .p = p, .o = o};
	size_t i;

	for (i = 0; p->diff && i < p->processes.count; i++)
		print_diff(&t, &p->processes.items[i]);
	if (p->diff)
		return stream__finish(&t.s);
	if (p->processes.count == 1)
		print_section(&t, &p->processes.items[0]);
	else
		print_processes(&t);
	for (i = 0; p->final && o->heap_summary && i < p->processes.count; i++) {
		print_heap_summary(&t, &p->processes.items[i]);
		print_leak_summary(&t, &p->processes.items[i]);
	}
	if (!p->final)
		stream__print(&t.s, "\n");
	return stream__finish(&t.s);
}

int report__event_text(const struct report_event *e, const struct report_options *o, FILE *out)
{
	struct text t = {.s = {.out = out}, .o = o};
	char time[FORMAT_SIZE], bytes[FORMAT_SIZE], name[FORMAT_NAME_SIZE];

	format__name(name, e->comm, COMM_COLUMNS * 4);
	stream__print(&t.s, "[%s] %s[%" PRIu32 "/%" PRIu32 "] ",
		      format__clock(time, e->time_ms, true), name, e->pid, e->tid);
	format__name(name, e->operation, FORMAT_NAME_COLUMNS);
	stream__print(&t.s, "%-6s ", name);
	print_styled(&t, STYLE_NUMBER, "0x%012" PRIx64 " %10s", e->addr,
		     format__bytes(bytes, e->bytes));
	format__name(name, e->family, FORMAT_NAME_COLUMNS);
	stream__print(&t.s, e->caller ? " %-6s " : " %s", name);
	if (e->caller) {
		format__name(name, e->caller, FORMAT_NAME_COLUMNS);
		stream__print(&t.s, "%s", name);
	}
	stream__print(&t.s, "\n");
	return stream__finish(&t.s);
}
