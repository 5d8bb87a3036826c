// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "golden.h"
#include "report/report.h"
#include "sample_profile.h"

static const struct report_options usual = {.top = 10};

/* The report of @p, which is destroyed; free() it. */
static char *render(struct profile *p, const struct report_options *o)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	assert_int_equal(report__text(p, o, out), 0);
	fclose(out);
	assert_int_equal(strlen(text), length);
	profile__destroy(p);
	return text;
}

static void check(const char *name, struct profile *p, const struct report_options *o)
{
	CLEANUP_FREE char *text = render(p, o);

	golden_check(__FILE__, name, text);
}

static void usual_report(void **state)
{
	(void)state;
	check("usual.txt", sample_usual(), &usual);
}

static void top_cuts_and_says_so(void **state)
{
	const struct report_options o = {.top = 1};

	(void)state;
	check("top.txt", sample_usual(), &o);
}

static void color_marks_without_changing_the_text(void **state)
{
	const struct report_options o = {.top = 10, .color = true};
	CLEANUP_FREE char *plain = render(sample_usual(), &usual);
	CLEANUP_FREE char *colored = render(sample_usual(), &o);
	char *in, *out;

	(void)state;
	golden_check(__FILE__, "color.txt", colored);
	for (in = out = colored; *in; in++) {
		if (*in == '\033')
			in = strchr(in, 'm');
		else
			*out++ = *in;
	}
	*out = '\0';
	assert_string_equal(colored, plain);
}

static void blocks_are_listed(void **state)
{
	const struct report_options o = {.top = 10, .show_allocs = true};
	const struct profile_block blocks[] = {
		{0x5968a18d24b0, 10, 4711}, {0x7f0000000010, 6000000, 600}, {UINT64_MAX, 0, 0}};
	struct profile *p = sample_final();
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		sample_check(vector_push(&p->blocks, blocks[i]));
	p->entries.items[0].nr_blocks = 3;
	check("blocks.txt", p, &o);
}

static void heap_summary_is_valgrinds(void **state)
{
	const struct report_options o = {.top = 10, .heap_summary = true};
	CLEANUP_FREE char *text = render(sample_final(), &o);
	struct profile *p = sample_final();

	(void)state;
	golden_check(__FILE__, "final.txt", text);
	assert_non_null(strstr(text, "\nHEAP SUMMARY:\n"
				     "    in use at exit: 10 bytes in 1 blocks\n"
				     "  total heap usage: 1 allocs, 0 frees, 10 bytes allocated\n"
				     "         peak heap: 10 bytes, 0.2 s after the start\n"));
	/* Not before the end. */
	p->final = false;
	free(text);
	text = render(p, &o);
	assert_null(strstr(text, "SUMMARY"));
}

static void nothing_to_show(void **state)
{
	struct profile *p = sample_new(1, false);

	(void)state;
	check("no-process.txt", p, &usual);

	p = sample_new(1, false);
	sample_process(p, 4242, "app", 0, 0);
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	check("no-block.txt", p, &usual);

	/* Everything is younger than --older. */
	p = sample_new(3, false);
	sample_process(p, 4242, "app", 5, 500);
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	check("young.txt", p, &usual);
}

static void estimates_have_their_error(void **state)
{
	struct profile *p = sample_usual();

	(void)state;
	p->sampling = PROFILE_SAMPLE_BYTES;
	p->sampling_value = 524288;
	p->processes.items[0].error = (struct profile_error){12.5, 654321};
	p->entries.items[0].error = (struct profile_error){9.2, 600000};
	check("sampled.txt", p, &usual);

	p = sample_many(3, 1, true);
	p->sampling = PROFILE_SAMPLE_RATE;
	p->sampling_value = 1000;
	check("sampled-many.txt", p, &usual);
}

static void every_loss_has_a_line(void **state)
{
	static const char *const remedies[] = {"--max-blocks", "--max-stacks", "--stack-depth"};
	struct profile *p = sample_final();
	CLEANUP_FREE char *text = NULL;
	size_t i;

	(void)state;
	p->losses = (struct profile_losses){12, 1, 2, 3, 4, 5, 6, 7, 8, 3, 1, 2, 2, 12.34};
	text = render(p, &usual);
	golden_check(__FILE__, "losses.txt", text);
	for (i = 0; i < ARRAY_SIZE(remedies); i++)
		assert_non_null(strstr(text, remedies[i]));
	assert_non_null(strstr(text, "20 lost"));

	p = sample_many(3, 2, false);
	p->losses.blocks = 1;
	free(text);
	text = render(p, &usual);
	assert_non_null(strstr(text, "lost: 1 allocation (table full)"));

	/* Where memory was all that lacked, no option is named. */
	p = sample_many(3, 2, false);
	p->losses.blocks = p->losses.no_memory = 1;
	p->losses.stacks = p->losses.stacks_no_memory = 1;
	free(text);
	text = render(p, &usual);
	assert_null(strstr(text, "raise"));

	/* Of a file that says nonsense. */
	p = sample_many(3, 2, false);
	p->losses.blocks = 1;
	p->losses.no_memory = p->losses.unreadable = UINT64_MAX;
	free(text);
	text = render(p, &usual);
	assert_null(strstr(text, "table full"));
}

static void stacks_say_where_they_end(void **state)
{
	struct profile *p = sample_new(1, false);
	uint32_t process = sample_process(p, 4242, "app", 5, 500);
	struct profile_location location = {.module = PROFILE_NONE, .pc = 0x1234};
	uint32_t frame, i, stacks[4];

	(void)state;
	sample_check(profile__add_location(p, &location, &frame)); /* not symbolized either */
	for (i = 0; i < 4; i++)
		sample_check(profile__add_stack(p, &frame, i != 3, i == 1, i >= 2, &stacks[i]));
	for (i = 0; i < 4; i++)
		sample_entry(p, process, stacks[i], "malloc", 1, 100 - i);
	sample_entry(p, process, PROFILE_NONE, "malloc", 1, 1);
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	check("stack-ends.txt", p, &usual);
}

static void ten_processes_get_their_stacks(void **state)
{
	CLEANUP_FREE char *text = render(sample_many(13, 2, false), &usual);

	(void)state;
	golden_check(__FILE__, "many.txt", text);
	assert_non_null(strstr(text, "worker-009[1009]"));
	assert_null(strstr(text, "worker-010[1010]"));

	/* One that has ended is listed even if it is not among the ten. */
	free(text);
	text = render(sample_many(28, 2, false), &usual);
	assert_non_null(strstr(text, "worker-027[1027] ended: 68.4 KiB in 1 block outstanding"));
	assert_null(strstr(text, "worker-026[1026]"));
}

static void final_report_lists_every_process(void **state)
{
	const struct report_options o = {.top = 10, .heap_summary = true};
	CLEANUP_FREE char *text = render(sample_many(12, 4, true), &o);
	char name[64];
	int i;

	(void)state;
	golden_check(__FILE__, "many-final.txt", text);
	for (i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "\n%d worker-%03d:\nHEAP SUMMARY", 1000 + i, i);
		assert_non_null(strstr(text, name));
	}
}

static void hostile_names_are_harmless(void **state)
{
	CLEANUP_FREE char *text = render(sample_hostile(), &usual);
	const char *c;

	(void)state;
	golden_check(__FILE__, "hostile.txt", text);
	for (c = text; *c; c++)
		assert_true(*c == '\n' || (unsigned char)*c >= ' ');
	assert_null(strstr(text, "\x7f"));
	assert_null(strstr(text, "\xc2\x9b"));
	assert_null(strstr(text, "\n[12:00:00] fake"));
}

/* Columns of the widest line up to @end; a byte that goes on with a character is none. */
static size_t widest(const char *text, const char *end)
{
	size_t columns = 0, max = 0;

	for (; text < end; text++) {
		columns = *text == '\n' ? 0 : columns + ((*text & 0xc0) != 0x80);
		max = columns > max ? columns : max;
	}
	return max;
}

static void it_fits_in_100_columns(void **state)
{
	const struct report_options o = {.top = 10, .heap_summary = true};
	struct profile *p = sample_many(13, 2, true);
	CLEANUP_FREE char *text = render(sample_many(13, 2, true), &o);
	struct profile_process *process;

	(void)state;
	assert_in_range(widest(text, text + strlen(text)), 80, 100);
	/* The table, with numbers of a long life. */
	for (process = p->processes.items; process < p->processes.items + 13; process++) {
		process->outstanding = (struct profile_sum){999999999, 1023ULL << 30};
		process->growth_bytes = -(1023LL << 30);
		process->allocs = process->frees = 9999999999;
	}
	free(text);
	text = render(p, &o);
	assert_in_range(widest(strstr(text, "      PID"), strstr(text, "  ... and 3 more")), 90,
			100);
}

static void failures_of_the_stream_are_told(void **state)
{
	struct profile *p = sample_usual();
	CLEANUP_FCLOSE FILE *full = fopen("/dev/full", "w");
	CLEANUP_FCLOSE FILE *closed = NULL;
	int fds[2];

	(void)state;
	assert_non_null(full);
	assert_int_equal(report__text(p, &usual, full), -ENOSPC);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	closed = fdopen(fds[1], "w");
	assert_non_null(closed);
	assert_int_equal(report__text(p, &usual, closed), -EPIPE);
	/* Without a buffer the first line fails, and the reason is still there at the end. */
	setvbuf(closed, NULL, _IONBF, 0);
	assert_int_equal(report__text(p, &usual, closed), -EPIPE);
	profile__destroy(p);
}

static void events_are_lines(void **state)
{
	const struct report_event events[] = {
		{SAMPLE_TIME_MS, 4242, 4243, "app", "alloc", "malloc", 0x5968a18d24b0, 10,
		 "leak+0x1136"},
		{SAMPLE_TIME_MS + 1, 4242, 4242, "app", "free", "new[]", 0x5968a18d24b0, 1 << 20,
		 NULL},
		{SAMPLE_TIME_MS + 2, 1, 1, "e\nvil", "munmap", "mmap", UINT64_MAX, UINT64_MAX,
		 "\033[2J"},
	};
	CLEANUP_FREE char *text = NULL;
	size_t length, i;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	for (i = 0; i < ARRAY_SIZE(events); i++)
		assert_int_equal(report__event_text(&events[i], &usual, out), 0);
	fclose(out);
	golden_check(__FILE__, "events.txt", text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual_report),
		cmocka_unit_test(top_cuts_and_says_so),
		cmocka_unit_test(color_marks_without_changing_the_text),
		cmocka_unit_test(blocks_are_listed),
		cmocka_unit_test(heap_summary_is_valgrinds),
		cmocka_unit_test(nothing_to_show),
		cmocka_unit_test(estimates_have_their_error),
		cmocka_unit_test(every_loss_has_a_line),
		cmocka_unit_test(stacks_say_where_they_end),
		cmocka_unit_test(ten_processes_get_their_stacks),
		cmocka_unit_test(final_report_lists_every_process),
		cmocka_unit_test(hostile_names_are_harmless),
		cmocka_unit_test(it_fits_in_100_columns),
		cmocka_unit_test(failures_of_the_stream_are_told),
		cmocka_unit_test(events_are_lines),
	};

	signal(SIGPIPE, SIG_IGN);
	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
