/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcmalloc's functions by its own names. */
#include <gperftools/tcmalloc.h>

#include "expect.h"

static void *note(void *p, size_t n, const char *family, const char *function)
{
	expect_add(p, n, family, function, false);
	return p;
}

static void *forget(void *p)
{
	expect_del(p);
	return p;
}

NOIPA static void leak_tc()
{
	void *p;

	tc_free(forget(note(tc_malloc(100), 100, "malloc", __func__)));
	free(forget(note(tc_malloc(102), 102, "malloc", __func__)));
	note(tc_malloc(101), 101, "malloc", __func__);
	note(tc_calloc(3, 50), 150, "malloc", __func__);
	p = note(tc_malloc(20), 20, "malloc", __func__);
	note(tc_realloc(forget(p), 2000), 2000, "malloc", __func__);
	note(tc_memalign(64, 300), 300, "malloc", __func__);
}

/* new and new[] are one function in tcmalloc. */
NOIPA static void leak_tc_new()
{
	tc_delete(forget(note(tc_new(400), 400, "new", __func__)));
	note(tc_new(401), 401, "new", __func__);
	note(tc_newarray(402), 402, "new", __func__);
	tc_deletearray(forget(note(tc_newarray_nothrow(403, std::nothrow), 403, "new", __func__)));
}

int main()
{
	leak_tc();
	leak_tc_new();
	return expect_done(0);
}
