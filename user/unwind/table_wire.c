// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/table_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/elf_image.h"
#include "util/cleanup.h"

#define MAX_ITEMS (1UL << 26) /* no message holds more */

void unwind_table__put(const struct unwind_table *t, struct wire *w)
{
	size_t nr;
	const struct unwind_rule *rules = rule_set__rules(t->rules, &nr);

	wire__put_number(w, t->start);
	wire__put_number(w, nr);
	wire__put(w, rules, nr * sizeof(*rules));
	wire__put_number(w, t->nr_pages);
	wire__put(w, t->pages, t->nr_pages * sizeof(*t->pages));
	wire__put_number(w, t->nr_rows);
	wire__put(w, t->rows, t->nr_rows * sizeof(*t->rows));
	wire__put(w, &t->stats, sizeof(t->stats));
}

/* A copy of an array in the message; NULL, with *@nr 0, where it has no elements. */
static int get_array(struct wire *w, size_t each, size_t *nr, void *ret)
{
	size_t n = wire__get_count(w, MAX_ITEMS, each);
	const void *bytes = wire__get(w, n * each);
	void *copy;

	if (!bytes)
		return -EPROTO;
	copy = n ? malloc(n * each) : NULL;
	if (n && !copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, bytes, n * each);
	*(void **)ret = copy;
	*nr = n;
	return 0;
}

static bool is_rule(const struct unwind_rule *r)
{
	return r->cfa < UNWIND_CFAS && r->fp < UNWIND_PLACES && r->ra < UNWIND_PLACES;
}

/* The rules must get the numbers that they had: each new, none refused. */
static int get_rules(struct wire *w, struct rule_set *set, size_t *nr)
{
	CLEANUP_FREE struct unwind_rule *rules = NULL;
	size_t i;
	int err = get_array(w, sizeof(*rules), nr, &rules);

	if (err)
		return err;
	if (*nr < UNWIND_RULES_FIXED || *nr > UNWIND_MAX_RULES)
		return -EPROTO;
	for (i = 0; i < *nr; i++)
		if (!is_rule(&rules[i]) || rule_set__index(set, &rules[i]) != i)
			return -EPROTO;
	return 0;
}

static bool is_page(const struct unwind_table *t, const struct unwind_table_page *p, size_t rules)
{
	uint32_t i;

	if (!p->n)
		return p->first < rules;
	if (p->n > UNWIND_PAGE_SIZE || p->first > t->nr_rows || p->n > t->nr_rows - p->first ||
	    UNWIND_ROW_OFFSET(t->rows[p->first]))
		return false;
	for (i = 0; i < p->n; i++) {
		uint32_t row = t->rows[p->first + i];

		if (UNWIND_ROW_OFFSET(row) >= UNWIND_PAGE_SIZE || UNWIND_ROW_RULE(row) >= rules ||
		    (i && UNWIND_ROW_OFFSET(row) <= UNWIND_ROW_OFFSET(t->rows[p->first + i - 1])))
			return false;
	}
	return true;
}

static bool is_table(const struct unwind_table *t, size_t rules)
{
	size_t i;

	if (t->nr_pages > UNWIND_TABLE_MAX_PAGES || t->start % UNWIND_PAGE_SIZE ||
	    t->start > ELF_OFFSET_LIMIT)
		return false;
	for (i = 0; i < t->nr_rows; i++)
		if (UNWIND_ROW_RULE(t->rows[i]) >= rules)
			return false;
	for (i = 0; i < t->nr_pages; i++)
		if (!is_page(t, &t->pages[i], rules))
			return false;
	return true;
}

static void cleanup_table(struct unwind_table **t)
{
	unwind_table__destroy(*t);
}

int unwind_table__get(struct wire *w, struct unwind_table **ret)
{
	CLEANUP(cleanup_table) struct unwind_table *t = calloc(1, sizeof(*t));
	const void *stats;
	size_t rules = 0;
	int err = t ? rule_set__create(&t->rules) : -ENOMEM;

	if (err)
		return err;
	t->start = wire__get_number(w, UINT64_MAX);
	err = get_rules(w, t->rules, &rules);
	if (!err)
		err = get_array(w, sizeof(*t->pages), &t->nr_pages, &t->pages);
	if (!err)
		err = get_array(w, sizeof(*t->rows), &t->nr_rows, &t->rows);
	stats = wire__get(w, sizeof(t->stats));
	if (!err && !stats)
		err = -EPROTO;
	if (err)
		return err;
	memcpy(&t->stats, stats, sizeof(t->stats));
	if (!is_table(t, rules))
		return -EPROTO;
	*ret = TAKE_PTR(t);
	return 0;
}
