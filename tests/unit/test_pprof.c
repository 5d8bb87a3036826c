// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "golden.h"
#include "profile/filter.h"
#include "profile/history.h"
#include "profile/pprof.h"
#include "profile/profile.pb-c.h"
#include "report/diff.h"
#include "report/html.h"
#include "report/report.h"
#include "sample_profile.h"

typedef int report_fn(const struct profile *p, const struct report_options *o, FILE *out);

static const struct report_options all = {
	.top = UINT64_MAX, .show_allocs = true, .heap_summary = true};

/* Where a test keeps its profile. */
static char path[] = "/tmp/memleak-test-pprof-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

/* What the HTML page holds of @p. */
static int page_data(const struct profile *p, const struct report_options *o, FILE *out)
{
	struct stream s = {.out = out};

	html__data(&s, p, o->top);
	stream__print(&s, "\n");
	return stream__finish(&s);
}

/* The report of @p; free() it. */
static char *render(report_fn *report, const struct profile *p)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	assert_int_equal(report(p, &all, out), 0);
	fclose(out);
	return text;
}

static void write_bytes(const void *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static int read_back(struct profile **ret)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	return pprof__read(fd, ret);
}

/* @p, saved and read back. */
static struct profile *reloaded(const struct profile *p)
{
	FILE *f = fopen(path, "w");
	struct profile *ret;

	assert_non_null(f);
	assert_int_equal(pprof__write(p, f), 0);
	fclose(f);
	assert_int_equal(read_back(&ret), 0);
	sample_check(profile__sort(ret, PROFILE_SORT_BYTES));
	return ret;
}

/* @p prints the same after it was saved, in every form; it is destroyed. */
static void check_round_trip(struct profile *p)
{
	static report_fn *const reports[] = {report__text, report__json, report__folded,
					     report__svg, page_data};
	struct profile *copy = reloaded(p);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reports); i++) {
		CLEANUP_FREE char *before = render(reports[i], p),
				  *after = render(reports[i], copy);

		assert_string_equal(after, before);
	}
	assert_int_equal(copy->sites.count, p->sites.count);
	profile__destroy(p);
	profile__destroy(copy);
}

static void add_site(struct profile *p, uint32_t stack, const char *family, uint64_t blocks,
		     uint64_t bytes)
{
	struct profile_site site = {
		.stack = stack, .family = profile__intern(p, family), .allocs = {blocks, bytes}};

	sample_check(vector_push(&p->sites, site));
}

/* One of each kind of root, of the first entries. */
static void add_paths(struct profile *p)
{
	struct profile_step steps[] = {
		{.addr = 0x1000,
		 .bytes = 64,
		 .pointer_at = 16,
		 .family = "new",
		 .function = "app::make<int>(char const*)",
		 .type = "app::Node",
		 .location = PROFILE_NONE},
		{.addr = UINT64_MAX, .bytes = 1, .family = "malloc", .location = PROFILE_NONE},
	};
	struct profile_path path = {.name = "ta\"ble", .module = "/bin/x", .pc = 0x4010};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		steps[i].family = profile__intern(p, steps[i].family);
		steps[i].function = profile__intern(p, steps[i].function);
		steps[i].type = profile__intern(p, steps[i].type);
	}
	path.name = profile__intern(p, path.name);
	path.module = profile__intern(p, path.module);
	path.module_id = PROFILE_NONE;
	for (i = 0; i < PROFILE_ROOTS && i < p->entries.count; i++) {
		path.root = i;
		path.offset = i;
		path.addr = i ? 0x7fff0000 + i : 0;
		path.thread = i * 100;
		path.omitted = i * 1000;
		path.first_step = p->steps.count;
		path.nr_steps = i == 1 ? 0 : 2;
		sample_check(vector_push(&p->paths, path));
		sample_check(vector_push(&p->steps, steps[0]));
		sample_check(vector_push(&p->steps, steps[1]));
		p->entries.items[i].path = p->paths.count;
	}
}

static void add_history(struct profile *p, struct profile_history *ret, uint64_t bytes)
{
	const struct profile_point points[] = {{0, 0}, {1.25, bytes / 2}, {10.004, bytes}};
	size_t i;

	ret->first = p->points.count;
	ret->count = ARRAY_SIZE(points);
	for (i = 0; i < ARRAY_SIZE(points); i++)
		sample_check(vector_push(&p->points, points[i]));
}

/* One of each kind, and of one kind several. */
static void add_wrong_frees(struct profile *p, uint32_t stack)
{
	const struct profile_wrong_free all[] = {
		{0, PROFILE_WRONG_SIZE, 1, 0x10, 64, "Derived", "new", "delete", 16, 0, stack,
		 PROFILE_NONE, false},
		{0, PROFILE_WRONG_MISMATCHED, 7, 0x20, 65, NULL, "malloc", "delete[]", 0, stack, 0,
		 PROFILE_NONE, true},
		{0, PROFILE_WRONG_MISMATCHED, 8, 0x30, 66, NULL, "new[]", "realloc", 0, 0, 0,
		 PROFILE_NONE, false},
		{0, PROFILE_WRONG_DOUBLE, 2, 0x40, UINT64_MAX, NULL, "malloc", "free", 0, 0, stack,
		 stack, false},
		{0, PROFILE_WRONG_POINTER, 1, UINT64_MAX, 0, NULL, NULL, "free", 0, PROFILE_NONE,
		 stack, PROFILE_NONE, false},
	};
	size_t i;

	p->diagnosed = true;
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		struct profile_wrong_free f = all[i];

		f.type = profile__intern(p, f.type);
		sample_check(vector_push(&p->wrong_frees, f));
	}
}

/* With all that a profile can hold. */
static struct profile *full(void)
{
	struct profile *p = sample_usual();
	const struct profile_block blocks[] = {{0x5968a18d24b0, 10, 4711.25}, {0x10, 0, 0}};
	struct profile_location flagged = {.pc = 0x77, .by_frame_pointer = true};
	struct profile_location plain = {.pc = 0x78, .interrupted = true};
	uint32_t frames[3], stack;

	p->command = true;
	p->final = true;
	p->sampling = PROFILE_SAMPLE_BYTES;
	p->sampling_value = 524288;
	p->losses = (struct profile_losses){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 12.5};
	p->processes.items[0].error = (struct profile_error){1.5, 1234.5678};
	p->entries.items[0].error = (struct profile_error){0.1, 1e-7};
	p->entries.items[0].growth_bytes_per_s = 0.1 + 0.2;
	sample_check(vector_push(&p->blocks, blocks[0]));
	sample_check(vector_push(&p->blocks, blocks[1]));
	p->entries.items[2].nr_blocks = 2;
	sample_check(profile__add_module(p, PROFILE_NONE, "/lib/a;b", "ab12", &plain.module));
	flagged.module = plain.module;
	sample_check(profile__add_location(p, &flagged, &frames[0]));
	sample_check(profile__add_location(p, &flagged, &frames[1]));
	sample_check(profile__add_location(p, &plain, &frames[2]));
	sample_check(profile__add_stack(p, frames, 3, true, false, &stack));
	sample_entry(p, 0, stack, "new[]", 1, 77)->verdict = PROFILE_VERDICT_REACHABLE;
	sample_entry(p, 0, stack, "mmap", 1, 4096);
	sample_check(profile__add_stack(p, frames, 0, false, true, &stack));
	sample_entry(p, 0, stack, "malloc", 3, 0);
	add_site(p, 0, "new", 100, 7000000);
	add_site(p, stack, "malloc", 3, 0);
	sample_check(profile__add_stack(p, frames, 1, false, false, &stack));
	add_site(p, stack, "malloc", 55, 5555); /* all freed */
	add_history(p, &p->processes.items[0].history, 6300000);
	add_history(p, &p->sites.items[0].history, 6291456);
	add_history(p, &p->sites.items[2].history, 10);
	add_wrong_frees(p, stack);
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	return p;
}

/* What only some runs say of stacks. */
static struct profile *told(void)
{
	struct profile *p = full();
	int i;

	add_paths(p);
	for (i = 0; i < PROFILE_TRENDS && (size_t)i < p->entries.count; i++) {
		p->entries.items[i].trend = i;
		p->entries.items[i].trend_since_ms = i % 2 ? SAMPLE_TIME_MS : 0;
		p->entries.items[i].generations = i;
	}
	return p;
}

static void what_was_saved_prints_the_same(void **state)
{
	(void)state;
	check_round_trip(sample_usual());
	check_round_trip(sample_final());
	check_round_trip(sample_many(30, 3, false));
	check_round_trip(sample_new(1, true));
	check_round_trip(full());
	check_round_trip(told());
}

static void every_order_survives(void **state)
{
	struct profile *p = full(), *copy;
	int order;

	(void)state;
	for (order = PROFILE_SORT_BYTES; order <= PROFILE_SORT_AGE; order++) {
		CLEANUP_FREE char *before = NULL, *after = NULL;

		sample_check(profile__sort(p, order));
		copy = reloaded(p);
		sample_check(profile__sort(copy, order));
		before = render(report__json, p);
		after = render(report__json, copy);
		assert_string_equal(after, before);
		profile__destroy(copy);
	}
	profile__destroy(p);
}

/* Every form from one saved profile; UPDATE_GOLDEN=1 writes them. */
static void one_profile_in_every_form(void **state)
{
	static const struct {
		report_fn *report;
		const char *file;
	} forms[] = {
		{report__text, "saved.txt"},	  {report__json, "saved.json"},
		{report__folded, "saved.folded"}, {report__svg, "saved.svg"},
		{page_data, "saved-page.json"},
	};
	struct profile *p = full(), *copy = reloaded(p);
	size_t i;

	(void)state;
	setenv("TZ", "UTC", 1);
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		CLEANUP_FREE char *text = render(forms[i].report, copy);

		golden_check(__FILE__, forms[i].file, text);
	}
	profile__destroy(p);
	profile__destroy(copy);
}

/* The points of @history as text; free() it. */
static char *points(const struct profile *p, const struct profile_history *history)
{
	char *text = history__text(p, history);

	assert_non_null(text);
	return text;
}

static void histories_survive(void **state)
{
	struct profile *p = full(), *copy = reloaded(p);
	CLEANUP_FREE char *process = points(copy, &copy->processes.items[0].history), *again = NULL;
	size_t i, found = 0;

	(void)state;
	assert_string_equal(process, "0.000:0,1.250:3150000,10.004:6300000");
	for (i = 0; i < copy->sites.count; i++) {
		const struct profile_site *site = &copy->sites.items[i];
		CLEANUP_FREE char *text = points(copy, &site->history);

		if (*text)
			assert_string_equal(text, site->allocs.bytes == 5555
							  ? "0.000:0,1.250:5,10.004:10"
							  : "0.000:0,1.250:3145728,10.004:6291456");
		found += !!*text;
	}
	assert_int_equal(found, 2);
	again = points(copy, &p->processes.items[0].history);
	assert_string_equal(again, process);
	profile__destroy(p);
	profile__destroy(copy);
}

/* What somebody else wrote is read as far as it makes sense, and no further than is allowed. */
static void strange_histories(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"1:2", "1.000:2"},
		{"1:2,", "1.000:2"},
		{"1:2,x", "1.000:2"},
		{"5:1,4:1", "5.000:1"},
		{"-1:1", ""},
		{"1e400:1", ""},
		{"nan:1", ""},
		{"1:-1", ""},
		{"1 :1", ""},
		{"0:18446744073709551615", "0.000:18446744073709551615"},
		{"0:99999999999999999999", "0.000:18446744073709551615"},
	};
	struct profile *p = sample_new(1, true);
	CLEANUP_FREE char *many = malloc(4 * 1000 + 1);
	struct profile_history history;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP_FREE char *text = NULL;

		assert_int_equal(history__read(p, rows[i][0], &history), 0);
		text = points(p, &history);
		assert_string_equal(text, rows[i][1]);
	}
	for (i = 0; i < 1000; i++)
		strcpy(many + 4 * i, "1:1,");
	assert_int_equal(history__read(p, many, &history), 0);
	assert_int_equal(history.count, PROFILE_POINTS_MAX);
	profile__destroy(p);
}

/* Numbers too large for the format and names that are no UTF-8 are told as near as can be. */
static void hostile_names_are_saved(void **state)
{
	struct profile *p = sample_hostile(), *copy;
	CLEANUP_FREE char *text = NULL;

	(void)state;
	copy = reloaded(p);
	assert_false(copy->diff);
	assert_true(copy->processes.items[0].outstanding.bytes == UINT64_MAX);
	assert_true(copy->entries.items[0].sum.bytes == INT64_MAX);
	assert_int_equal(copy->entries.count, p->entries.count);
	text = render(report__json, copy);
	profile__destroy(p);
	profile__destroy(copy);
}

/* The message itself, as others see it. perftools__profiles__profile__free_unpacked() it. */
static Perftools__Profiles__Profile *unpack(void)
{
	static uint8_t bytes[1 << 20];
	gzFile f = gzopen(path, "r");
	int n = gzread(f, bytes, sizeof(bytes));
	Perftools__Profiles__Profile *m;

	gzclose(f);
	assert_true(n > 0 && n < (int)sizeof(bytes));
	m = perftools__profiles__profile__unpack(NULL, n, bytes);
	assert_non_null(m);
	return m;
}

static void the_contract_of_the_file(void **state)
{
	static const char *const types[] = {"inuse_objects", "inuse_space", "alloc_objects",
					    "alloc_space"};
	struct profile *p = full();
	Perftools__Profiles__Profile *m;
	int64_t allocs = 0, alloc_bytes = 0;
	size_t i;

	(void)state;
	profile__destroy(reloaded(p));
	m = unpack();
	assert_int_equal(m->n_sample_type, 4);
	for (i = 0; i < 4; i++)
		assert_string_equal(m->string_table[m->sample_type[i]->type], types[i]);
	assert_string_equal(m->string_table[m->default_sample_type], "inuse_space");
	/* One of what was all freed, and of five wrong frees the ten stacks. */
	assert_int_equal(m->n_sample, p->entries.count + 1 + 10);
	for (i = 0; i < m->n_sample; i++) {
		allocs += m->sample[i]->value[2];
		alloc_bytes += m->sample[i]->value[3];
	}
	assert_int_equal(allocs, 158);
	assert_int_equal(alloc_bytes, 7005555);
	for (i = 0; i < m->n_location; i++) {
		assert_true(m->location[i]->mapping_id > 0);
		assert_true(m->location[i]->n_line > 0);
		if (m->location[i]->address == 0x77) {
			uint64_t f = m->location[i]->line[0]->function_id;

			assert_string_equal(m->string_table[m->function[f - 1]->name], "a;b+0x77");
		}
	}
	perftools__profiles__profile__free_unpacked(m, NULL);
	profile__destroy(p);
}

/* A profile of somebody else: other types too, no labels, no comments, no addresses. */
static void profiles_of_others(void **state)
{
	char *strings[] = {"",	"alloc_space", "bytes", "inuse_space", "inuse_objects",
			   "f", "g",	       "x"};
	Perftools__Profiles__ValueType type[3], *types[3];
	Perftools__Profiles__Function function[2], *functions[2];
	Perftools__Profiles__Location location[2], *locations[2];
	Perftools__Profiles__Line line[2], *lines[2];
	Perftools__Profiles__Sample sample[2], *samples[2];
	Perftools__Profiles__Profile m = PERFTOOLS__PROFILES__PROFILE__INIT;
	uint64_t stacks[2][2] = {{1, 2}, {2, 1}};
	int64_t values[2][3] = {{100, 40, 4}, {50, 50, 5}};
	uint8_t bytes[1024];
	struct profile *p;
	size_t n, i;

	(void)state;
	for (i = 0; i < 3; i++) {
		perftools__profiles__value_type__init(types[i] = &type[i]);
		type[i].type = (int64_t[]){1, 3, 4}[i];
	}
	for (i = 0; i < 2; i++) {
		perftools__profiles__function__init(functions[i] = &function[i]);
		perftools__profiles__location__init(locations[i] = &location[i]);
		perftools__profiles__line__init(lines[i] = &line[i]);
		perftools__profiles__sample__init(samples[i] = &sample[i]);
		function[i].id = location[i].id = line[i].function_id = i + 1;
		function[i].name = 5 + i;
		location[i].n_line = 1;
		location[i].line = &lines[i];
		sample[i].n_location_id = 2;
		sample[i].location_id = stacks[i];
		sample[i].n_value = 3;
		sample[i].value = values[i];
	}
	m.n_string_table = ARRAY_SIZE(strings);
	m.string_table = strings;
	m.n_sample_type = 3;
	m.sample_type = types;
	m.n_function = m.n_location = m.n_sample = 2;
	m.function = functions;
	m.location = locations;
	m.sample = samples;
	n = perftools__profiles__profile__pack(&m, bytes);
	assert_int_equal(pprof__parse(bytes, n, &p), 0);
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	assert_int_equal(p->processes.count, 1);
	assert_int_equal(p->processes.items[0].outstanding.bytes, 90);
	assert_int_equal(p->processes.items[0].outstanding.blocks, 9);
	assert_int_equal(p->processes.items[0].alloc_bytes, 150);
	assert_int_equal(p->entries.count, 2);
	assert_int_equal(p->stacks.count, 2);
	assert_string_equal(p->locations.items[0].lines[0].symbol, "f");
	assert_string_equal(p->locations.items[1].lines[0].symbol, "g");
	profile__destroy(p);
	function[1].name = 99; /* no such string */
	n = perftools__profiles__profile__pack(&m, bytes);
	assert_int_equal(pprof__parse(bytes, n, &p), -EBADMSG);
	type[1].type = 7; /* no inuse_space */
	function[1].name = 5;
	n = perftools__profiles__profile__pack(&m, bytes);
	assert_int_equal(pprof__parse(bytes, n, &p), -EBADMSG);
}

/* The bytes of the file; free() them. */
static char *file_bytes(size_t *n)
{
	FILE *f = fopen(path, "r");
	char *bytes = malloc(1 << 20);

	assert_non_null(f);
	assert_non_null(bytes);
	*n = fread(bytes, 1, 1 << 20, f);
	fclose(f);
	return bytes;
}

/* What the file holds; how many bytes of it there are. */
static size_t inflated(uint8_t *buf, size_t size)
{
	gzFile f = gzopen(path, "r");
	int n = gzread(f, buf, size);

	gzclose(f);
	assert_true(n > 0 && n < (int)size);
	return n;
}

static void truncated_files_are_refused(void **state)
{
	static uint8_t whole[1 << 16], changed[1 << 16];
	struct profile *p = full(), *copy;
	CLEANUP_FREE char *bytes = NULL;
	size_t n, i, length;

	(void)state;
	profile__destroy(reloaded(p));
	length = inflated(whole, sizeof(whole));
	bytes = file_bytes(&n);
	for (i = 0; i < n; i += 1 + i / 50) {
		write_bytes(bytes, i);
		assert_int_equal(read_back(&copy), -EBADMSG);
	}
	write_bytes(bytes, n - 1);
	assert_int_equal(read_back(&copy), -EBADMSG);
	/* The check sum sees it, if nothing else does; but some bits mean nothing. */
	for (i = 20; i < n; i += 17) {
		int err;

		bytes[i] ^= 0x10;
		write_bytes(bytes, n);
		err = read_back(&copy);
		bytes[i] ^= 0x10;
		if (err) {
			assert_int_equal(err, -EBADMSG);
			continue;
		}
		profile__destroy(copy);
		assert_int_equal(inflated(changed, sizeof(changed)), length);
		assert_memory_equal(changed, whole, length);
	}
	profile__destroy(p);
}

/* Whatever the bytes say: an error, or a profile that can be printed. */
static void damaged_messages(void **state)
{
	static uint8_t bytes[1 << 16], copy[1 << 16];
	struct profile *p = full();
	CLEANUP_FCLOSE FILE *null = fopen("/dev/null", "w");
	uint32_t seed = 1, round;
	int n;

	(void)state;
	profile__destroy(reloaded(p));
	profile__destroy(p);
	n = inflated(bytes, sizeof(bytes));
	for (round = 0; round < 4000; round++) {
		int changes = 1 + round % 4;

		memcpy(copy, bytes, n);
		while (changes--) {
			seed = seed * 1664525 + 1013904223;
			copy[(seed >> 8) % n] = seed >> 24;
		}
		if (pprof__parse(copy, round % 10 ? (uint32_t)n : (seed >> 8) % n, &p))
			continue;
		sample_check(profile__sort(p, PROFILE_SORT_BYTES));
		assert_int_equal(report__text(p, &all, null), 0);
		assert_int_equal(report__json(p, &all, null), 0);
		assert_int_equal(report__folded(p, &all, null), 0);
		assert_int_equal(pprof__write(p, null), 0);
		profile__destroy(p);
	}
}

/* A gzip bomb: a string of 2 GiB, of which 160 MiB are there and pack into 160 KiB. */
static void bombs_are_refused(void **state)
{
	static const uint8_t head[] = {0x32, 0x80, 0x80, 0x80, 0x80, 0x08};
	static char chunk[1 << 20];
	gzFile f = gzopen(path, "w");
	struct profile *p;
	int i;

	(void)state;
	gzwrite(f, head, sizeof(head));
	memset(chunk, 'x', sizeof(chunk));
	for (i = 0; i < 160; i++)
		gzwrite(f, chunk, sizeof(chunk));
	gzclose(f);
	assert_int_equal(read_back(&p), -EFBIG);
}

static void full_disks_are_told(void **state)
{
	CLEANUP_FCLOSE FILE *full_disk = fopen("/dev/full", "w");
	struct profile *p = full();

	(void)state;
	assert_non_null(full_disk);
	assert_int_equal(pprof__write(p, full_disk), -ENOSPC);
	profile__destroy(p);
}

/* Differences */

static const struct sample_frame rebuilt[] = {
	{"func", 0x20, "/home/u/leak.c", 5, "/usr/bin/app", 0x2136, 0},
	{"main", 0xf, "/home/u/leak.c", 12, "/usr/bin/app", 0x2150, 0},
};

static struct profile *difference(struct profile *base, struct profile *p)
{
	struct profile *d;

	assert_int_equal(diff__create(base, p, &d), 0);
	sample_check(profile__sort(d, PROFILE_SORT_BYTES));
	profile__destroy(base);
	profile__destroy(p);
	return d;
}

static void what_is_equal_is_left_out(void **state)
{
	struct profile *d = difference(full(), full());

	(void)state;
	assert_true(d->diff);
	assert_int_equal(d->entries.count, 0);
	assert_int_equal(d->sites.count, 0);
	assert_int_equal(d->processes.count, 1);
	assert_int_equal(d->processes.items[0].outstanding.bytes, 0);
	profile__destroy(d);
}

static void what_grew_comes_first(void **state)
{
	struct profile *base = sample_usual(), *p = sample_usual(), *d;
	CLEANUP_FREE char *text = NULL, *json = NULL, *folded = NULL, *svg = NULL, *page = NULL;

	(void)state;
	p->time_ms += 10000;
	p->processes.items[0].pid = 777;			     /* restarted */
	p->entries.items[0].sum = (struct profile_sum){90, 6000000}; /* shrank */
	p->entries.items[1].sum.bytes += 5000;
	p->entries.items[1].sum.blocks += 1;
	d = difference(base, p);
	assert_int_equal(d->entries.count, 2);
	assert_int_equal(d->entries.items[0].sum.bytes, 5000);
	assert_true(d->entries.items[0].growth_bytes_per_s == 500);
	assert_true((int64_t)d->entries.items[1].sum.bytes == 6000000 - 6291456);
	assert_true((int64_t)d->entries.items[1].sum.blocks == -6);
	setenv("TZ", "UTC", 1);
	text = render(report__text, d);
	golden_check(__FILE__, "diff.txt", text);
	json = render(report__json, d);
	golden_check(__FILE__, "diff.json", json);
	svg = render(report__svg, d);
	golden_check(__FILE__, "diff.svg", svg);
	page = render(page_data, d);
	golden_check(__FILE__, "diff-page.json", page);
	folded = render(report__folded, d);
	assert_null(strstr(folded, "Server::accept"));
	check_round_trip(d);
}

/* The same functions at other addresses, with another build-id. */
static void rebuilds_match_by_name(void **state)
{
	struct profile *base = sample_new(1, true), *p = sample_new(2, true), *d;
	uint32_t i;

	(void)state;
	sample_process(base, 1, "app", 1, 10);
	sample_process(p, 2, "app", 3, 30);
	sample_entry(base, 0, SAMPLE_STACK(base, sample_c), "malloc", 1, 10);
	sample_entry(p, 0, SAMPLE_STACK(p, rebuilt), "malloc", 3, 30);
	sample_check(profile__sort(base, PROFILE_SORT_BYTES));
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	for (i = 0; i < p->modules.count; i++)
		p->modules.items[i].build_id = profile__intern(p, "another");
	d = difference(base, p);
	assert_int_equal(d->entries.count, 1);
	assert_int_equal(d->entries.items[0].sum.bytes, 20);
	assert_int_equal(d->locations.items[0].pc, 0x2136);
	profile__destroy(d);
}

/* The same build: another address is another place, whatever its function is called. */
static void addresses_match_in_one_build(void **state)
{
	struct profile *base = sample_new(1, true), *p = sample_new(2, true), *d;

	(void)state;
	sample_process(base, 1, "app", 1, 10);
	sample_process(p, 2, "app", 3, 30);
	sample_entry(base, 0, SAMPLE_STACK(base, sample_c), "malloc", 1, 10);
	sample_entry(p, 0, SAMPLE_STACK(p, rebuilt), "malloc", 3, 30);
	d = difference(base, p);
	assert_int_equal(d->entries.count, 2);
	assert_int_equal(d->entries.items[0].sum.bytes, 30);
	assert_true((int64_t)d->entries.items[1].sum.bytes == -10);
	profile__destroy(d);
}

/* Filters */

static size_t left_by(const char *focus, const char *ignore)
{
	struct profile *p = sample_usual();
	size_t n;

	assert_int_equal(filter__stacks(p, focus, ignore), 0);
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	n = p->entries.count;
	assert_int_equal(p->processes.items[0].nr_entries, n);
	profile__destroy(p);
	return n;
}

static void focus_and_ignore(void **state)
{
	char why[100];

	(void)state;
	assert_int_equal(left_by(NULL, NULL), 3);
	assert_int_equal(left_by("^func$", NULL), 1);	      /* a function */
	assert_int_equal(left_by("listobject\\.c", NULL), 1); /* a file */
	assert_int_equal(left_by("libpython3", NULL), 1);     /* a module */
	assert_int_equal(left_by("PyObject|accept", NULL), 2);
	assert_int_equal(left_by("PyObject_Malloc$", NULL), 1); /* inlined */
	assert_int_equal(left_by(NULL, "main"), 0);
	assert_int_equal(left_by("func|Server", "leak\\.c"), 1);
	assert_int_equal(left_by("nothing", NULL), 0);
	assert_int_equal(filter__check("a(b|c)+", why, sizeof(why)), 0);
	assert_int_equal(filter__check("a(b", why, sizeof(why)), -EINVAL);
	assert_true(strlen(why) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_saved_prints_the_same),
		cmocka_unit_test(every_order_survives),
		cmocka_unit_test(one_profile_in_every_form),
		cmocka_unit_test(histories_survive),
		cmocka_unit_test(strange_histories),
		cmocka_unit_test(hostile_names_are_saved),
		cmocka_unit_test(the_contract_of_the_file),
		cmocka_unit_test(profiles_of_others),
		cmocka_unit_test(truncated_files_are_refused),
		cmocka_unit_test(damaged_messages),
		cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(full_disks_are_told),
		cmocka_unit_test(what_is_equal_is_left_out),
		cmocka_unit_test(what_grew_comes_first),
		cmocka_unit_test(rebuilds_match_by_name),
		cmocka_unit_test(addresses_match_in_one_build),
		cmocka_unit_test(focus_and_ignore),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
