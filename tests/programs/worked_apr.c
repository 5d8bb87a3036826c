/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two pools of the Apache Portable Runtime, one of them never destroyed. */
#include <apr_pools.h>

#include "expect.h"

NOIPA static void leak_pool(apr_pool_t *parent)
{
	apr_pool_t *kept, *gone;

	apr_pool_create(&kept, parent);
	apr_pool_create(&gone, parent);
	apr_palloc(kept, 100);
	apr_pool_destroy(gone);
}

int main(void)
{
	apr_initialize();
	leak_pool(NULL);
	_exit(0); /* without the pools' own end */
}
