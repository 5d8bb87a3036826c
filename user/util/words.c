// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/*
 * Copy one word from *@in to *@out without its quotes, and end it with a NUL; both move on behind
 * it. What is written is never longer than what was read, the NUL excepted. 0 or -EINVAL.
 */
static int copy_word(const char **in, char **out)
{
	const char *c = *in;
	char *w = *out;
	char quote = 0;

	for (; *c && (quote || !is_blank(*c)); c++) {
		if (quote ? *c == quote : *c == '\'' || *c == '"') {
			quote = quote ? 0 : *c;
			continue;
		}
		/* Within "..." a backslash is one unless it takes a meaning away. */
		if (*c == '\\' && quote != '\'' &&
		    (quote != '"' || (c[1] && strchr("$`\"\\\n", c[1])))) {
			c++;
			if (!*c)
				return -EINVAL;
			if (*c == '\n')
				continue;
		}
		*w++ = *c;
	}
	if (quote)
		return -EINVAL;
	*w++ = '\0';
	*in = c;
	*out = w;
	return 0;
}

int words__split(const char *line, char ***ret)
{
	size_t length = strlen(line), max_words = length / 2 + 1, n = 0;
	CLEANUP_FREE char **words = NULL;
	char *text;
	int err;

	/* The pointers, then the words: all but the last have a blank behind to become NUL. */
	words = malloc((max_words + 1) * sizeof(*words) + length + 1);
	if (!words)
		return -ENOMEM;
	text = (char *)(words + max_words + 1);
	for (;;) {
		while (is_blank(*line) || (line[0] == '\\' && line[1] == '\n'))
			line += *line == '\\' ? 2 : 1;
		if (!*line)
			break;
		words[n++] = text;
		err = copy_word(&line, &text);
		if (err)
			return err;
	}
	if (!n)
		return -ENODATA;
	words[n] = NULL;
	*ret = TAKE_PTR(words);
	return 0;
}
