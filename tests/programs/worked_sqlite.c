/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sqlite3's own allocator: it rounds up and counts in front of malloc. */
#include <sqlite3.h>

#include "expect.h"

NOIPA static void leak_sqlite(void)
{
	void *p = sqlite3_malloc(100);

	sqlite3_malloc(101);
	sqlite3_free(p);
	p = sqlite3_malloc64(50);
	sqlite3_realloc(p, 5000);
}

int main(void)
{
	sqlite3_initialize();
	leak_sqlite();
	return 0;
}
