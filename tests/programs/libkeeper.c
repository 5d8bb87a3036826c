// SPDX-License-Identifier: GPL-2.0-or-later
/* A library whose data is all that leads to a block, and what each thread has of it. */
void *keeper_kept;

__thread void *keeper_kept_by_thread;

void keeper_set(void *p)
{
	keeper_kept_by_thread = p;
}
