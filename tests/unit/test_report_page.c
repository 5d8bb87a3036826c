// SPDX-License-Identifier: GPL-2.0-or-later
/* The pictures: svg and html. What the page does is tested in a browser, see tests/browser. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "golden.h"
#include "report/report.h"
#include "sample_profile.h"

typedef int report_fn(const struct profile *p, const struct report_options *o, FILE *out);

static const struct report_options all = {.top = UINT64_MAX};

/* The report of @p, which is destroyed; free() it. */
static char *render(report_fn *report, struct profile *p)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	assert_int_equal(report(p, &all, out), 0);
	fclose(out);
	profile__destroy(p);
	assert_int_equal(strlen(text), length);
	return text;
}

static void usual_pictures(void **state)
{
	CLEANUP_FREE char *svg = render(report__svg, sample_usual());
	CLEANUP_FREE char *many = render(report__svg, sample_many(3, 2, false));

	(void)state;
	golden_check(__FILE__, "usual.svg", svg);
	golden_check(__FILE__, "many.svg", many);
}

static void nothing_to_draw(void **state)
{
	CLEANUP_FREE char *none = render(report__svg, sample_new(1, true));
	CLEANUP_FREE char *page = render(report__html, sample_new(1, true));

	(void)state;
	assert_non_null(strstr(none, "0 B in 0 blocks outstanding"));
	assert_non_null(strstr(none, "nothing is outstanding"));
	assert_null(strstr(none, "<rect"));
	assert_non_null(strstr(page, "\"processes\":[]"));
}

static void hostile_names_are_text_in_svg(void **state)
{
	CLEANUP_FREE char *svg = render(report__svg, sample_hostile());
	const char *c;

	(void)state;
	golden_check(__FILE__, "hostile.svg", svg);
	for (c = svg; *c; c++)
		assert_true((unsigned char)*c >= ' ' || *c == '\n');
}

/* The data, the end of the page cut off; free() it. */
static char *data_of(const char *page)
{
	const char *start = strstr(page, "<script type=\"application/json\" id=\"data\">");

	assert_non_null(start);
	start = strchr(start, '>') + 1;
	return strndup(start, strcspn(start, "<"));
}

static void hostile_names_are_data_in_html(void **state)
{
	static char script[] = "</script><script>alert(1)</script><!--&lt;\xe2\x80\xa8";
	struct profile *p = sample_hostile();
	struct profile_line line = {.symbol = profile__intern(p, script)};
	CLEANUP_FREE char *page = NULL, *data = NULL;
	struct json_object *object, *strings;
	bool found = false;
	size_t i;

	(void)state;
	sample_check(profile__set_lines(p, 0, &line, 1));
	page = render(report__html, p);
	data = data_of(page);
	assert_int_equal(strncmp(strstr(page, data) + strlen(data), "</script>\n<script>\n", 19),
			 0);
	assert_null(strpbrk(data, "<>&"));
	object = json_tokener_parse(data);
	assert_true(json_object_object_get_ex(object, "strings", &strings));
	for (i = 0; i < json_object_array_length(strings); i++) {
		struct json_object *name = json_object_array_get_idx(strings, i);

		found |= strcmp(json_object_get_string(name), script) == 0;
	}
	assert_true(found);
	json_object_put(object);
}

/* What the page is made of is in it, and nothing is fetched. */
static void the_page_is_one_file(void **state)
{
	CLEANUP_FREE char *page = render(report__html, sample_usual());

	(void)state;
	assert_int_equal(strncmp(page, "<!DOCTYPE html>\n", 16), 0);
	assert_null(strstr(page, "@style@"));
	assert_null(strstr(page, "@script@"));
	assert_null(strstr(page, "-hash@"));
	assert_null(strstr(page, "@data@"));
	assert_null(strstr(page, " src="));
	assert_null(strstr(page, "<link"));
	assert_null(strstr(page, "@import"));
	assert_null(strstr(page, "innerHTML"));
	assert_non_null(strstr(page, "default-src 'none'; style-src 'sha256-"));
	assert_non_null(strstr(page, "class Flame"));
	assert_non_null(strstr(page, "prefers-color-scheme"));
}

/* Nothing recurses. */
static void deep_stacks(void **state)
{
	enum { DEEP = 200000 };
	struct profile *p = sample_new(1, true), *copy = sample_new(1, true);
	CLEANUP_FREE uint32_t *frames = calloc(DEEP, sizeof(*frames));
	CLEANUP_FREE char *svg = NULL, *page = NULL;
	uint32_t process, stack, i;
	struct profile *both[] = {p, copy};

	(void)state;
	for (i = 0; i < 2; i++) {
		process = sample_process(both[i], 1, "deep", 1, 10);
		SAMPLE_STACK(both[i], sample_c);
		sample_check(profile__add_stack(both[i], frames, DEEP, false, false, &stack));
		sample_entry(both[i], process, stack, "malloc", 1, 10);
		sample_check(profile__sort(both[i], PROFILE_SORT_BYTES));
	}
	svg = render(report__svg, p);
	page = render(report__html, copy);
	assert_non_null(strstr(svg, "y=\"3400039\""));
	assert_non_null(strstr(page, "\"nodes\":[1,0,1,3,1,3,"));
}

static void a_full_disk_is_told(void **state)
{
	static report_fn *const reports[] = {report__svg, report__html};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(reports); i++) {
		FILE *full = fopen("/dev/full", "w");
		struct profile *p = sample_usual();

		assert_non_null(full);
		assert_int_equal(reports[i](p, &all, full), -ENOSPC);
		fclose(full);
		profile__destroy(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual_pictures),
		cmocka_unit_test(nothing_to_draw),
		cmocka_unit_test(hostile_names_are_text_in_svg),
		cmocka_unit_test(hostile_names_are_data_in_html),
		cmocka_unit_test(the_page_is_one_file),
		cmocka_unit_test(deep_stacks),
		cmocka_unit_test(a_full_disk_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
