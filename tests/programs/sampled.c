/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sampled [CHILDREN [ROUNDS]]: children that all do the same, one after the other: each allocates
 * ROUNDS times in every way and size below and frees a third. States what one of them does:
 * {"pid": its parent's, "allocs": N, "sizes": {"SIZE": [allocations, outstanding], ...}}.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOIPA __attribute__((noipa))

static const size_t sizes[] = {16, 96, 400, 1000, 2500};

#define SIZES (sizeof(sizes) / sizeof(*sizes))
#define WAYS  5

NOIPA static void *allocate(int way, size_t size)
{
	switch (way) {
	case 0:
		return malloc(size);
	case 1:
		return calloc(2, size / 2);
	case 2:
		return realloc(NULL, size);
	case 3:
		return reallocarray(NULL, size / 2, 2);
	default:
		return aligned_alloc(16, size);
	}
}

NOIPA static void run_child(int rounds)
{
	size_t s;
	int i, way;

	for (i = 0; i < rounds; i++)
		for (s = 0; s < SIZES; s++)
			for (way = 0; way < WAYS; way++) {
				void *p = allocate(way, sizes[s]);

				if (!p)
					abort();
				if (i % 3 == 0)
					free(p);
			}
	_exit(0);
}

int main(int argc, char **argv)
{
	int children = argc > 1 ? atoi(argv[1]) : 200, rounds = argc > 2 ? atoi(argv[2]) : 150;
	int kept = rounds - (rounds + 2) / 3, i;
	size_t s;

	for (i = 0; i < children; i++) {
		pid_t pid = fork();

		if (pid == 0)
			run_child(rounds);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return 1;
	}
	printf("{\"pid\": %d, \"allocs\": %zu, \"sizes\": {", getpid(), rounds * SIZES * WAYS);
	for (s = 0; s < SIZES; s++)
		printf("%s\"%zu\": [%d, %d]", s ? ", " : "", sizes[s], rounds * WAYS, kept * WAYS);
	printf("}}\n");
	return 0;
}
