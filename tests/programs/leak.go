// SPDX-License-Identifier: GPL-2.0-or-later
package main

import "time"

var kept [][]byte

func main() {
	for i := 0; i < 1000; i++ {
		kept = append(kept, make([]byte, 1000))
	}
	time.Sleep(100 * time.Millisecond)
}
