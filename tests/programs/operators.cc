/* SPDX-License-Identifier: GPL-2.0-or-later */
/* operators N: loses N blocks by operator new, and N by operator new[], which jumps to it. */
#include <cstdlib>
#include <new>

static void *volatile lost;

int main(int argc, char **argv)
{
	long i, n = argc > 1 ? atol(argv[1]) : 0;

	for (i = 0; i < n; i++) {
		lost = ::operator new(100);
		lost = ::operator new[](100);
	}
	return 0;
}
