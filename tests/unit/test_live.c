// SPDX-License-Identifier: GPL-2.0-or-later
/* The live view without a terminal: what it draws, and what keys do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "golden.h"
#include "live/history.h"
#include "live/view.h"
#include "sample_profile.h"
#include "util/utf8.h"

#define MAX_WIDTH  220
#define MAX_HEIGHT 64

/* A screen: a cell is a character and its style. */
struct screen {
	struct canvas canvas;
	uint32_t cells[MAX_HEIGHT][MAX_WIDTH];
	unsigned int styles[MAX_HEIGHT][MAX_WIDTH];
};

static void put(void *context, int row, int column, int columns, unsigned int style,
		const char *text)
{
	struct screen *s = context;
	int i;

	assert_in_range(row, 0, s->canvas.height - 1);
	assert_in_range(column, 0, s->canvas.width - 1);
	assert_true(columns > 0 && column + columns <= s->canvas.width);
	assert_true(utf8__is_valid(text));
	for (i = 0; i < columns; i++) {
		uint32_t code = ' ';

		if (*text)
			text += utf8__decode(text, &code);
		assert_true(code >= ' ' && code != 0x7f);
		if (!s->canvas.utf8 && code >= 0x80)
			fail_msg("U+%04x on a screen of ASCII", code);
		s->cells[row][column + i] = code;
		s->styles[row][column + i] = style;
	}
}

static size_t encode(char *out, uint32_t code)
{
	if (code < 0x80) {
		*out = code;
		return 1;
	}
	if (code < 0x800)
		return sprintf(out, "%c%c", 0xc0 | code >> 6, 0x80 | (code & 0x3f));
	return sprintf(out, "%c%c%c", 0xe0 | code >> 12, 0x80 | (code >> 6 & 0x3f),
		       0x80 | (code & 0x3f));
}

/* The screen as text, `>` before the row that is selected; free() it. */
static char *draw(struct view *v, int width, int height, bool utf8)
{
	static struct screen s;
	char *text = calloc(MAX_HEIGHT, 4 * MAX_WIDTH + 8), *out = text;
	int r, c, last;

	assert_non_null(text);
	s = (struct screen){.canvas = {width, height, utf8, put, &s}};
	view__draw(v, &s.canvas);
	for (r = 0; r < height; r++) {
		bool selected = false;

		for (last = width; last > 0; last--)
			if (s.cells[r][last - 1] > ' ')
				break;
		for (c = 0; c < width; c++)
			selected |= s.styles[r][c] & CANVAS_SELECTED && r;
		*out++ = selected ? '>' : '|';
		for (c = 0; c < last; c++)
			out += encode(out, s.cells[r][c] ? s.cells[r][c] : ' ');
		*out++ = '\n';
	}
	*out = '\0';
	return text;
}

static struct view *new_view(struct profile *p)
{
	static const struct view_options o = {.interval_s = 5};
	struct view *v;

	setenv("TZ", "UTC", 1);
	assert_int_equal(view__create(&o, &v), 0);
	if (p)
		assert_int_equal(view__show(v, p), 0);
	return v;
}

static void check(struct view *v, const char *name, int width, int height)
{
	CLEANUP_FREE char *text = draw(v, width, height, true);

	golden_check(__FILE__, name, text);
}

static void press(struct view *v, const char *keys)
{
	for (; *keys; keys++)
		assert_int_equal(view__key(v, *keys), VIEW_NOTHING);
}

/* The row of the screen that has @words. */
static void check_row(struct view *v, const char *words)
{
	CLEANUP_FREE char *text = draw(v, 110, 30, true);

	if (!strstr(text, words))
		fail_msg("no '%s' in\n%s", words, text);
}

static void check_no_row(struct view *v, const char *words)
{
	CLEANUP_FREE char *text = draw(v, 110, 30, true);

	if (strstr(text, words))
		fail_msg("'%s' in\n%s", words, text);
}

static void check_selected(struct view *v, const char *words)
{
	CLEANUP_FREE char *text = draw(v, 110, 30, true);
	char *row = strstr(text, "\n>");

	assert_non_null(row);
	*strchrnul(row + 1, '\n') = '\0';
	if (!strstr(row, words))
		fail_msg("not '%s' but%s", words, row);
}

static void before_the_first_report(void **state)
{
	struct view *v = new_view(NULL);

	(void)state;
	assert_int_equal(view__pid(v), 0);
	press(v, "\n\tbs");
	assert_int_equal(view__key(v, 'l'), VIEW_NOTHING);
	check_row(v, "q quit");
	view__destroy(v);
}

static void one_process(void **state)
{
	struct view *v = new_view(sample_usual());

	(void)state;
	check(v, "live.txt", 110, 16);
	check(v, "live-80.txt", 80, 12);
	check(v, "live-40.txt", 40, 8);
	view__destroy(v);
}

static void frames_of_a_stack(void **state)
{
	struct view *v = new_view(sample_usual());

	(void)state;
	press(v, "\n");
	check(v, "live-frames.txt", 110, 20);
	press(v, "\n");
	check_no_row(v, "server.cc:88");
	press(v, "jj");
	view__key(v, VIEW_KEY_RIGHT);
	check_row(v, "leak.c:11");
	view__key(v, VIEW_KEY_DOWN);
	check_selected(v, "func+0x1a");
	view__key(v, VIEW_KEY_LEFT);
	check_selected(v, "func leak.c:4 < main");
	view__destroy(v);
}

static void several_processes(void **state)
{
	struct view *v = new_view(sample_many(12, 3, false));

	(void)state;
	assert_int_equal(view__pid(v), 1000);
	check(v, "live-many.txt", 100, 24);
	press(v, "\tjjj");
	assert_int_equal(view__pid(v), 1003);
	check_selected(v, "worker-003");
	view__key(v, VIEW_KEY_END);
	assert_int_equal(view__pid(v), 1011);
	check_row(v, "STACK of worker-011[1011]");
	/* It stays with the process, wherever that goes, and comes back to the first if it ends. */
	assert_int_equal(view__show(v, sample_many(12, 4, false)), 0);
	assert_int_equal(view__pid(v), 1011);
	assert_int_equal(view__show(v, sample_many(3, 5, false)), 0);
	assert_int_equal(view__pid(v), 1000);
	press(v, "\n");
	check_selected(v, "func leak.c:4 < main");
	view__destroy(v);
}

static void orders(void **state)
{
	struct view *v = new_view(sample_usual());

	(void)state;
	check_selected(v, "Session: ");
	press(v, "n");
	check_selected(v, "_PyObject_Malloc");
	check_row(v, "by blocks");
	press(v, "ss");
	check_row(v, "by age");
	check_selected(v, "_PyObject_Malloc");
	press(v, "s");
	check_row(v, "by bytes");
	view__destroy(v);
}

static void the_cursor_follows_its_stack(void **state)
{
	struct view *v = new_view(sample_usual());

	(void)state;
	press(v, "j\n");
	check_selected(v, "_PyObject_Malloc");
	press(v, "n");
	check_selected(v, "_PyObject_Malloc");
	check_row(v, "ceval.c:5379");
	assert_int_equal(view__show(v, sample_usual()), 0);
	check_selected(v, "_PyObject_Malloc");
	check_row(v, "ceval.c:5379");
	/* At the top it stays at the top. */
	view__key(v, VIEW_KEY_HOME);
	press(v, "b");
	check_selected(v, "Session: ");
	view__destroy(v);
}

static void what_keys_ask_for(void **state)
{
	struct view *v = new_view(sample_usual());

	(void)state;
	assert_int_equal(view__key(v, 'q'), VIEW_QUIT);
	assert_int_equal(view__key(v, 'r'), VIEW_REFRESH);
	assert_int_equal(view__key(v, 'l'), VIEW_CHECK);
	assert_int_equal(view__key(v, 'w'), VIEW_SAVE);
	press(v, "p");
	assert_true(view__paused(v));
	check_row(v, "PAUSED");
	assert_int_equal(view__key(v, ' '), VIEW_REFRESH);
	assert_false(view__paused(v));
	press(v, "?");
	check_row(v, "the final report follows");
	press(v, "x");
	check_no_row(v, "the final report follows");
	view__note(v, "a thing\033[2J was done");
	check_row(v, "a thing\\x1b[2J was done");
	press(v, "j");
	check_no_row(v, "a thing");
	view__destroy(v);
}

static void leaks_and_losses(void **state)
{
	struct profile *p = sample_usual();
	struct view *v;

	(void)state;
	p->processes.items[0].checked = true;
	p->processes.items[0].leaks[PROFILE_VERDICT_DEFINITE] = (struct profile_sum){96, 6291456};
	p->processes.items[0].leaks[PROFILE_VERDICT_POSSIBLE] = (struct profile_sum){1, 10};
	p->processes.items[0].pause_ms = 3.14;
	p->losses = (struct profile_losses){.blocks = 3, .broken_stacks = 1};
	p->sampling = PROFILE_SAMPLE_RATE;
	p->sampling_value = 100;
	v = new_view(p);
	check(v, "live-leaks.txt", 110, 14);
	view__destroy(v);
}

/* Whatever a process calls its functions, on every size of screen, on one of ASCII too. */
static void hostile_names(void **state)
{
	static const int sizes[][2] = {{220, 64}, {110, 30}, {80, 24}, {41, 9}, {17, 5},
				       {16, 3},	  {5, 2},    {1, 1},   {200, 1}};
	struct view *v = new_view(sample_hostile());
	size_t i, k;

	(void)state;
	for (i = 0; i < 10; i++) {
		press(v, i % 3 ? "j" : "\n");
		for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
			free(draw(v, sizes[k][0], sizes[k][1], true));
	}
	check(v, "live-hostile.txt", 140, 24);
	view__destroy(v);
	v = new_view(sample_usual());
	press(v, "\n");
	free(draw(v, 110, 30, false));
	view__destroy(v);
}

/* --- history --- */

static void remembers(void **state)
{
	struct history h = {0};
	uint64_t points[HISTORY_POINTS], i;
	char spark[HISTORY_SPARK_SIZE];

	(void)state;
	assert_int_equal(history__get(&h, 1, points, 4), 0);
	assert_string_equal(history__spark(&h, 1, 4, true, spark), "    ");
	for (i = 1; i <= 3; i++) {
		assert_int_equal(history__begin(&h), 0);
		assert_int_equal(history__add(&h, 1, 10 * i), 0);
		if (i == 2)
			assert_int_equal(history__add(&h, 2, 7), 0);
	}
	assert_int_equal(history__get(&h, 1, points, 8), 3);
	assert_int_equal(points[0], 10);
	assert_int_equal(points[2], 30);
	assert_int_equal(history__get(&h, 2, points, 8), 2);
	assert_int_equal(points[0], 7);
	assert_int_equal(points[1], 0);
	/* Two stacks of one key are one. */
	assert_int_equal(history__add(&h, 1, 5), 0);
	assert_int_equal(history__get(&h, 1, points, 1), 1);
	assert_int_equal(points[0], 35);
	assert_string_equal(history__spark(&h, 1, 5, true, spark), "  ▁▄█");
	assert_string_equal(history__spark(&h, 1, 2, false, spark), "_#");
	history__release(&h);
}

static void forgets(void **state)
{
	struct history h = {0};
	uint64_t points[HISTORY_POINTS], i;
	char spark[HISTORY_SPARK_SIZE];

	(void)state;
	for (i = 0; i < 1000; i++) {
		assert_int_equal(history__begin(&h), 0);
		assert_int_equal(history__add(&h, i + 10, i), 0);
		assert_int_equal(history__add(&h, 1, 1000000 + i), 0);
	}
	assert_true(h.series.count < 3 * HISTORY_POINTS);
	assert_int_equal(history__get(&h, 1, points, 1000), HISTORY_POINTS);
	for (i = 0; i < HISTORY_POINTS; i++)
		assert_int_equal(points[i], 1001000 - HISTORY_POINTS + i);
	/* Less than a hundredth is no growth. */
	assert_string_equal(history__spark(&h, 1, 3, true, spark), "▁▁▁");
	/* What comes back after a long time begins anew. */
	for (i = 0; i < HISTORY_POINTS + 5; i++)
		assert_int_equal(history__begin(&h), 0);
	assert_int_equal(history__add(&h, 1, 4), 0);
	assert_int_equal(history__get(&h, 1, points, 8), 1);
	assert_int_equal(points[0], 4);
	history__release(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_the_first_report),
		cmocka_unit_test(one_process),
		cmocka_unit_test(frames_of_a_stack),
		cmocka_unit_test(several_processes),
		cmocka_unit_test(orders),
		cmocka_unit_test(the_cursor_follows_its_stack),
		cmocka_unit_test(what_keys_ask_for),
		cmocka_unit_test(leaks_and_losses),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(remembers),
		cmocka_unit_test(forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
