// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>
#include <locale.h>

#include "golden.h"
#include "report/report.h"
#include "sample_profile.h"

static const struct report_options usual = {.top = 10};

/* The report of @p, which is destroyed: one line. free() it. */
static char *render(struct profile *p, const struct report_options *o)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	assert_int_equal(report__json(p, o, out), 0);
	fclose(out);
	profile__destroy(p);
	assert_int_equal(strlen(text), length);
	assert_ptr_equal(strchr(text, '\n'), text + length - 1);
	return text;
}

static bool is_ascii(const char *text)
{
	while (*text > 0)
		text++;
	return !*text;
}

/* Parsed as strictly as json-c can; json_object_put() it. */
static struct json_object *parse(const char *text)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object;

	/* With either flag json-c 0.18 refuses every character beyond ASCII. */
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	assert_true(mbstowcs(NULL, text, 0) != (size_t)-1);
	json_tokener_set_flags(tokener, is_ascii(text) ? JSON_TOKENER_STRICT : 0);
	object = json_tokener_parse_ex(tokener, text, strlen(text) + 1);
	assert_int_equal(json_tokener_get_error(tokener), json_tokener_success);
	json_tokener_free(tokener);
	assert_non_null(object);
	return object;
}

static struct json_object *report(struct profile *p, const struct report_options *o)
{
	CLEANUP_FREE char *text = render(p, o);

	return parse(text);
}

/* What @path ("processes.0.pid") names; fails the test where there is nothing. */
static struct json_object *at(struct json_object *object, const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);
	char *rest = copy, *key;

	while ((key = strsep(&rest, "."))) {
		if (json_object_is_type(object, json_type_array))
			object = json_object_array_get_idx(object, strtoul(key, NULL, 10));
		else if (!json_object_object_get_ex(object, key, &object))
			fail_msg("no %s in %s", key, path);
	}
	return object;
}

static bool has(struct json_object *object, const char *path, const char *key)
{
	return json_object_object_get_ex(at(object, path), key, NULL);
}

static uint64_t number_at(struct json_object *object, const char *path)
{
	return json_object_get_uint64(at(object, path));
}

static const char *string_at(struct json_object *object, const char *path)
{
	return json_object_get_string(at(object, path));
}

static void the_contract_to_the_letter(void **state)
{
	const struct report_options o = {.top = 10, .show_allocs = true};
	const struct profile_block block = {0x5968a18d24b0, 10, 4711.2};
	struct profile *p = sample_final();
	CLEANUP_FREE char *text = render(sample_usual(), &usual);

	(void)state;
	golden_check(__FILE__, "usual.json", text);
	free(text);
	sample_check(vector_push(&p->blocks, block));
	p->entries.items[0].nr_blocks = 1;
	text = render(p, &o);
	golden_check(__FILE__, "final.json", text);
}

static void unknown_is_null_or_absent(void **state)
{
	struct json_object *r = report(sample_usual(), &usual);
	const char *frame = "processes.0.stacks.1.frames.7";

	(void)state;
	assert_null(at(r, "processes.0.stacks.1.frames.7.symbol"));
	assert_false(has(r, frame, "offset"));
	assert_false(has(r, frame, "file"));
	assert_false(has(r, frame, "line"));
	assert_false(has(r, frame, "build_id"));
	assert_false(has(r, frame, "by_frame_pointer"));
	assert_false(has(r, "processes.0.stacks.1", "verdict"));
	assert_false(has(r, "processes.0.stacks.1", "cycle"));
	assert_false(has(r, "processes.0.stacks.1", "type"));
	assert_false(has(r, "processes.0.stacks.1", "allocs"));
	assert_false(has(r, "processes.0.stacks.1", "truncated"));
	assert_false(has(r, "processes.0", "leaks"));
	json_object_put(r);
}

static void inlined_frames_share_their_pc(void **state)
{
	struct json_object *r = report(sample_usual(), &usual);

	(void)state;
	assert_string_equal(string_at(r, "processes.0.stacks.0.frames.0.pc"), "0x4f21");
	assert_string_equal(string_at(r, "processes.0.stacks.0.frames.1.pc"), "0x4f21");
	assert_true(json_object_get_boolean(at(r, "processes.0.stacks.0.frames.0.inlined")));
	assert_false(json_object_get_boolean(at(r, "processes.0.stacks.0.frames.1.inlined")));
	json_object_put(r);
}

static void numbers_keep_64_bits(void **state)
{
	struct json_object *r = report(sample_hostile(), &usual);

	(void)state;
	assert_true(number_at(r, "seq") == UINT64_MAX);
	assert_true(number_at(r, "sampling.mean") == UINT64_MAX);
	assert_string_equal(string_at(r, "sampling.mode"), "bytes");
	assert_true(number_at(r, "losses.events") == UINT64_MAX);
	assert_int_equal(number_at(r, "losses.broken_stacks"), 5);
	assert_true(number_at(r, "processes.0.pid") == UINT32_MAX);
	assert_true(number_at(r, "processes.0.outstanding.bytes") == UINT64_MAX);
	assert_true(number_at(r, "processes.0.stacks.0.blocks") == UINT64_MAX);
	assert_string_equal(string_at(r, "processes.0.stacks.0.frames.1.pc"), "0xffffffffffffffff");
	json_object_put(r);
}

static void estimates_have_their_error(void **state)
{
	struct profile *p = sample_usual();
	struct json_object *r;

	(void)state;
	p->sampling = PROFILE_SAMPLE_RATE;
	p->sampling_value = 100;
	p->processes.items[0].error = (struct profile_error){12.5, 654321};
	p->entries.items[0].error = (struct profile_error){9, 600000};
	r = report(p, &usual);
	assert_int_equal(number_at(r, "sampling.n"), 100);
	assert_int_equal(number_at(r, "processes.0.standard_error.bytes"), 654321);
	assert_int_equal(number_at(r, "processes.0.stacks.0.standard_error.blocks"), 9);
	json_object_put(r);
}

static void hostile_names_are_valid_json(void **state)
{
	struct json_object *r = report(sample_hostile(), &usual);

	(void)state;
	assert_string_equal(string_at(r, "processes.0.comm"), "\"\\/\b\xef\xbf\xbd\xef\xbf\xbd");
	assert_null(at(r, "processes.0.exe"));
	assert_string_equal(string_at(r, "processes.0.stacks.0.type"), "T\033c");
	assert_int_equal(strlen(string_at(r, "processes.0.stacks.0.frames.2.symbol")), 10000);
	assert_int_equal(number_at(r, "processes.0.stacks.0.age_ms.newest"), 0);
	assert_int_equal(json_object_array_length(at(r, "processes.0.stacks.2.frames")), 0);
	json_object_put(r);
}

/* json-c is not the only one to judge. */
static void python_reads_it(void **state)
{
	CLEANUP_FREE char *text = render(sample_hostile(), &usual);
	FILE *python;

	(void)state;
	if (system("python3 -c 'import json' 2>/dev/null") != 0) {
		print_message("no python3\n");
		skip();
	}
	python = popen("python3 -c 'import json, sys\n"
		       "r = json.loads(sys.stdin.buffer.read().decode(\"utf-8\"))\n"
		       "sys.exit(r[\"schema\"] != \"memleak-bpf/1\")'",
		       "w");
	assert_non_null(python);
	assert_true(fputs(text, python) >= 0);
	assert_int_equal(pclose(python), 0);
}

static void flags_of_stacks_and_frames(void **state)
{
	struct profile *p = sample_new(1, false);
	uint32_t process = sample_process(p, 4242, "app", 2, 3);
	struct profile_location location = {
		.module = PROFILE_NONE, .pc = 0x1234, .by_frame_pointer = true};
	uint32_t frame, cut, broken;
	struct json_object *r;

	(void)state;
	sample_check(profile__add_location(p, &location, &frame)); /* not symbolized either */
	sample_check(profile__add_stack(p, &frame, 1, true, false, &cut));
	sample_check(profile__add_stack(p, &frame, 1, false, true, &broken));
	sample_entry(p, process, cut, "malloc", 1, 2);
	sample_entry(p, process, broken, "malloc", 1, 1);
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	r = report(p, &usual);
	assert_true(json_object_get_boolean(at(r, "processes.0.stacks.0.truncated")));
	assert_false(has(r, "processes.0.stacks.0", "broken"));
	assert_true(json_object_get_boolean(at(r, "processes.0.stacks.1.broken")));
	assert_true(
		json_object_get_boolean(at(r, "processes.0.stacks.0.frames.0.by_frame_pointer")));
	assert_null(at(r, "processes.0.stacks.0.frames.0.symbol"));
	assert_null(at(r, "processes.0.stacks.0.frames.0.module"));
	json_object_put(r);
}

static void top_and_the_empty(void **state)
{
	const struct report_options o = {.top = 1};
	struct json_object *r = report(sample_usual(), &o);

	(void)state;
	assert_int_equal(json_object_array_length(at(r, "processes.0.stacks")), 1);
	json_object_put(r);

	r = report(sample_new(1, false), &usual);
	assert_int_equal(json_object_array_length(at(r, "processes")), 0);
	json_object_put(r);

	r = report(sample_many(100, 1, true), &usual);
	assert_int_equal(json_object_array_length(at(r, "processes")), 100);
	assert_int_equal(number_at(r, "processes.99.pid"), 1099);
	json_object_put(r);
}

/* Nothing may be quadratic in them. */
static void many_stacks(void **state)
{
	enum { STACKS = 8192, DEPTH = 20 };
	const struct report_options o = {.top = UINT64_MAX};
	struct profile *p = sample_new(1, false);
	uint32_t process = sample_process(p, 1, "app", STACKS, STACKS);
	uint32_t frames[DEPTH], stack, i;
	struct profile_location location = {0};
	struct profile_line line = {.symbol = profile__intern(p, "function")};
	CLEANUP_FCLOSE FILE *out = fopen("/dev/null", "w");

	(void)state;
	sample_check(profile__add_module(p, PROFILE_NONE, "/usr/bin/app", NULL, &location.module));
	for (i = 0; i < 1000 + DEPTH; i++) {
		location.pc = i;
		sample_check(profile__add_location(p, &location, &stack));
		sample_check(profile__set_lines(p, stack, &line, 1));
	}
	for (i = 0; i < STACKS; i++) {
		uint32_t f;

		for (f = 0; f < DEPTH; f++)
			frames[f] = f ? i % 1000 + f : i / 1000;
		sample_check(profile__add_stack(p, frames, DEPTH, false, false, &stack));
		sample_entry(p, process, stack, "malloc", 1, i + 1);
	}
	assert_int_equal(p->stacks.count, STACKS);
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	assert_int_equal(report__json(p, &o, out), 0);
	assert_int_equal(report__text(p, &o, out), 0);
	profile__destroy(p);
}

static void failures_of_the_stream_are_told(void **state)
{
	struct profile *p = sample_usual();
	CLEANUP_FCLOSE FILE *full = fopen("/dev/full", "w");
	CLEANUP_FCLOSE FILE *closed = NULL;
	int fds[2];

	(void)state;
	assert_non_null(full);
	assert_int_equal(report__json(p, &usual, full), -ENOSPC);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	closed = fdopen(fds[1], "w");
	assert_non_null(closed);
	setvbuf(closed, NULL, _IONBF, 0);
	assert_int_equal(report__json(p, &usual, closed), -EPIPE);
	profile__destroy(p);
}

static void events_are_objects(void **state)
{
	const struct report_event event = {SAMPLE_TIME_MS, 4242,    4243,
					   "app\xff",	   "alloc", "malloc",
					   0x5968a18d24b0, 10,	    "leak+0x1136"};
	const struct report_event nameless = {SAMPLE_TIME_MS, 1, 1, "",	 "free",
					      "new[]",	      0, 0, NULL};
	CLEANUP_FREE char *text = NULL;
	struct json_object *r;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	assert_int_equal(report__event_json(&event, &usual, out), 0);
	fclose(out);
	golden_check(__FILE__, "event.json", text);
	free(text);
	out = open_memstream(&text, &length);
	assert_int_equal(report__event_json(&nameless, &usual, out), 0);
	fclose(out);
	r = parse(text);
	assert_false(json_object_object_get_ex(r, "caller", NULL));
	assert_string_equal(string_at(r, "addr"), "0x0");
	json_object_put(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_contract_to_the_letter),
		cmocka_unit_test(unknown_is_null_or_absent),
		cmocka_unit_test(inlined_frames_share_their_pc),
		cmocka_unit_test(numbers_keep_64_bits),
		cmocka_unit_test(estimates_have_their_error),
		cmocka_unit_test(hostile_names_are_valid_json),
		cmocka_unit_test(python_reads_it),
		cmocka_unit_test(flags_of_stacks_and_frames),
		cmocka_unit_test(top_and_the_empty),
		cmocka_unit_test(many_stacks),
		cmocka_unit_test(failures_of_the_stream_are_told),
		cmocka_unit_test(events_are_objects),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
