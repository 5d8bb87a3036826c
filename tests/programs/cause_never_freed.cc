/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first classic cause of a leak: nobody frees it. */
#include <cstring>

#include "findings.h"

PLAINNAME void forget()
{
	char *p = new char[100];

	memset(p, 0, 100);
	__asm__ volatile("" ::"r"(p) : "memory");
}

int main()
{
	forget();
	return 0;
}
