// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bulk [BLOCKS [BYTES [busy]]]: a large heap: so many blocks (1,000,000) of so many bytes (1024),
 * full of data, each with pointers to four others. One in a hundred is lost, and another one is
 * held by that one alone.
 *
 * Begins when its standard input gives a line, answers "ok" when all blocks are there, and ends,
 * with all of them, at the end of its input. With `busy` it replaces blocks by new ones meanwhile.
 */
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOIPA	__attribute__((noipa))
#define LINKS	4
#define IN_TURN 100 /* as many blocks are lost, and as many are theirs */

static uint64_t **blocks;
static size_t nr, words;
static uint64_t seed = 1;

static uint64_t random_word(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return seed >> 16;
}

NOIPA static uint64_t *bulk_block(void)
{
	uint64_t *block = malloc(words * sizeof(*block));
	size_t i;

	for (i = 0; block && i < words; i++)
		block[i] = random_word();
	return block;
}

/* No block leads to one of those that are lost or theirs. */
static int is_kept(size_t i)
{
	return i % IN_TURN > 1;
}

static void link_block(size_t i)
{
	size_t k, to;

	for (k = 0; k < LINKS; k++) {
		to = random_word() % nr;
		blocks[i][k * words / LINKS] = (uintptr_t)(is_kept(to) ? blocks[to] : blocks[i]);
	}
}

static int fill(void)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		blocks[i] = bulk_block();
		if (!blocks[i])
			return 1;
	}
	for (i = 0; i < nr; i++)
		link_block(i);
	for (i = 0; i + 1 < nr; i += IN_TURN) {
		blocks[i][words - 1] = (uintptr_t)blocks[i + 1];
		blocks[i] = blocks[i + 1] = NULL;
	}
	return 0;
}

/* Others keep their pointers to what was here: they are stale, as such pointers are. */
NOIPA static void replace(void)
{
	size_t i = random_word() % nr;

	if (!is_kept(i))
		return;
	free(blocks[i]);
	blocks[i] = bulk_block();
	link_block(i);
}

static int wait_for_line(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) == 1)
		if (c == '\n')
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	nr = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000000;
	words = (argc > 2 ? strtoul(argv[2], NULL, 0) : 1024) / sizeof(uint64_t);
	if (!nr || words < 2 * LINKS || !wait_for_line())
		return 2;
	blocks = calloc(nr, sizeof(*blocks));
	if (!blocks || fill() || write(STDOUT_FILENO, "ok\n", 3) != 3)
		return 1;
	while (argc > 3 && poll(&input, 1, 0) == 0)
		replace();
	wait_for_line();
	return 0;
}
