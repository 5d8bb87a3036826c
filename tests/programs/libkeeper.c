// SPDX-License-Identifier: GPL-2.0-or-later
/* A library whose data is all that leads to a block. */
void *keeper_kept;
