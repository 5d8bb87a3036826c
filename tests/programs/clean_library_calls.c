/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nothing wrong: what the C library allocates for its caller, and what it frees itself. */
#include <dirent.h>
#include <dlfcn.h>
#include <glob.h>
#include <locale.h>
#include <netdb.h>
#include <regex.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wordexp.h>

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

int main(void)
{
	struct addrinfo *addresses;
	struct dirent **names;
	char *line = NULL, *text;
	void *tree = NULL, *block;
	size_t size = 0;
	wordexp_t words;
	regex_t regex;
	glob_t paths;
	FILE *f;
	int n;

	setlocale(LC_ALL, "C.UTF-8");
	f = fopen("/proc/self/maps", "r");
	while (f && getline(&line, &size, f) > 0)
		;
	free(line);
	fclose(f);
	f = open_memstream(&text, &size);
	fprintf(f, "%1000d", 1);
	fclose(f);
	free(text);
	if (asprintf(&text, "%s", "text") > 0)
		free(text);
	n = scandir("/etc", &names, NULL, alphasort);
	while (n > 0)
		free(names[--n]);
	free(names);
	if (!regcomp(&regex, "(a|b)*c{3,5}", REG_EXTENDED))
		regfree(&regex);
	if (!glob("/etc/*.conf", 0, NULL, &paths))
		globfree(&paths);
	if (!wordexp("a b c", &words, WRDE_NOCMD))
		wordfree(&words);
	if (!getaddrinfo("127.0.0.1", "80", NULL, &addresses))
		freeaddrinfo(addresses);
	tsearch("a", &tree, compare);
	tdelete("a", &tree, compare);
	block = dlopen("libm.so.6", RTLD_NOW);
	if (block)
		dlclose(block);
	for (n = 0; n < 100; n++)
		setenv("VARIABLE", n % 2 ? "a value" : "another, longer value", 1);
	if (posix_memalign(&block, 4096, 100) == 0)
		free(block);
	free(realpath("/proc/self/exe", NULL));
	return 0;
}
