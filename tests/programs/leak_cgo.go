// SPDX-License-Identifier: GPL-2.0-or-later

// A Go program whose C code loses ten blocks, and whose Go code keeps one that nobody can see.
package main

/*
#include <stdlib.h>

static __attribute__((noinline)) void leak_in_c(int n)
{
	for (; n > 0; n--) {
		void *volatile p = malloc(100);

		(void)p;
	}
}
*/
import "C"

var kept []byte

func main() {
	kept = make([]byte, 1<<20)
	C.leak_in_c(10)
}
