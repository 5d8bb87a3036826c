/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nothing wrong: threads free what others allocated, and end with full caches. */
#include <thread>
#include <vector>

#include "findings.h"

int main()
{
	for (int round = 0; round < 10; round++) {
		std::vector<void *> blocks[8];
		std::vector<std::thread> threads;

		for (auto &list : blocks)
			threads.emplace_back([&list] {
				for (int i = 0; i < 200; i++) {
					list.push_back(malloc(16 + i % 7 * 16));
					free(malloc(32));
				}
			});
		for (auto &t : threads)
			t.join();
		threads.clear();
		for (auto &list : blocks)
			threads.emplace_back([&list] {
				for (void *p : list)
					free(p);
			});
		for (auto &t : threads)
			t.join();
	}
	return 0;
}
