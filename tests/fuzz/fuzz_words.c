// SPDX-License-Identifier: GPL-2.0-or-later
/* The words of -c: each, quoted again, is split to the same words. */
#include <errno.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "util/words.h"

/* Write @word within single quotes at @out; where it goes on. */
static char *quote(char *out, const char *word)
{
	*out++ = '\'';
	for (; *word; word++) {
		if (*word == '\'')
			out = stpcpy(out, "'\\'");
		*out++ = *word;
	}
	return stpcpy(out, "' ");
}

static void check_again(char **words, size_t size)
{
	char *line = malloc(5 * size + 8), *out = line;
	char **again;
	size_t i;

	REQUIRE(line);
	for (i = 0; words[i]; i++)
		out = quote(out, words[i]);
	REQUIRE(!words__split(line, &again));
	for (i = 0; words[i]; i++)
		REQUIRE(again[i] && !strcmp(words[i], again[i]));
	REQUIRE(!again[i]);
	free(again);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = strndup((const char *)data, size);
	char **words;
	int err;

	REQUIRE(line);
	err = words__split(line, &words);
	REQUIRE(!err || err == -EINVAL || err == -ENODATA);
	if (!err) {
		check_again(words, size);
		free(words);
	}
	free(line);
	return 0;
}
