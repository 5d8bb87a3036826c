/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GLib's slices. */
#include <glib.h>

#include "expect.h"

NOIPA static void leak_slices(void)
{
	for (int i = 0; i < 5; i++)
		g_slice_alloc(40);
	g_slice_free1(48, g_slice_alloc(48));
}

int main(void)
{
	leak_slices();
	return 0;
}
