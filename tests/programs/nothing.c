/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Allocates nothing at all. */
#include "expect.h"

int main(void)
{
	return expect_done(0);
}
