/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The second: an array is deleted as if it were one object. */
#include "findings.h"

PLAINNAME int *make_array(int n)
{
	return new int[n];
}

PLAINNAME void drop(int *p)
{
	delete p;
}

int main()
{
	for (int i = 0; i < 3; i++)
		drop(make_array(16));
	finding("mismatched_free", 3, 64, "new[]", "make_array", "delete", "drop", 0);
	return 0;
}
