// SPDX-License-Identifier: GPL-2.0-or-later
#include "works.h"

static void write_sql(FILE *f, unsigned int scale)
{
	unsigned int i;

	fputs("create table t(a integer primary key, b text, c integer);\n", f);
	for (i = 0; i < 500 * scale; i++)
		fprintf(f, "insert into t values(%u, 'row %u of the table', %u);\n", i, i,
			i * 7919 % 10007);
}

static void write_python(FILE *f, unsigned int scale)
{
	fprintf(f,
		"d = {}\n"
		"for i in range(%u):\n"
		"    d[str(i)] = [i, str(i) * 3]\n"
		"print(len(repr(sorted(d.items()))))\n",
		100 * scale);
}

static void write_xml(FILE *f, unsigned int scale)
{
	unsigned int i;

	fputs("<list>\n", f);
	for (i = 0; i < 140 * scale; i++)
		fprintf(f, "<item n=\"%u\"><name>item %u</name><value>%u</value></item>\n", i, i,
			i * 7919 % 10007);
	fputs("</list>\n", f);
}

static void write_cxx(FILE *f, unsigned int scale)
{
	fputs("#include <string>\n", f);
	if (scale >= 100)
		fputs("#include <algorithm>\n#include <functional>\n#include <iostream>\n"
		      "#include <map>\n#include <memory>\n#include <vector>\n",
		      f);
	fputs("std::string twice(const std::string &s) { return s + s; }\n", f);
}

static void write_large_sql(FILE *f, unsigned int scale)
{
	write_sql(f, 4 * scale);
}

static void write_large_xml(FILE *f, unsigned int scale)
{
	write_xml(f, 24 * scale);
}

static void write_large_cxx(FILE *f, unsigned int scale)
{
	unsigned int i;

	write_cxx(f, scale);
	if (scale >= 100)
		fputs("#include <future>\n#include <random>\n#include <regex>\n", f);
	for (i = 0; i < scale / 50; i++)
		fprintf(f,
			"bool f%u(const std::string &s) { return std::regex_match(s, "
			"std::regex(s)); }\n",
			i);
}

/* clang-format off */
const struct work works[WORKS] = {
	{"sqlite3, 50k inserts", {NULL, NULL}, {"sqlite3", ":memory:", ".read %f"}, write_sql, false, false},
	{"python3, malloc", {"PYTHONMALLOC", "malloc"}, {"/usr/bin/python3", "-S", "%f"}, write_python, false, false},
	{"xmllint, 1 MB", {NULL, NULL}, {"xmllint", "--noout", "%f"}, write_xml, false, false},
	{"g++ -c", {NULL, NULL}, {"g++", "-x", "c++", "-std=c++17", "-c", "%f", "-o", "%o"}, write_cxx, false, false},
	{"redis-server", {NULL, NULL}, {"redis-server", "--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", "%o"}, NULL, true, false},
	{"sqlite3, 200k inserts", {NULL, NULL}, {"sqlite3", ":memory:", ".read %f"}, write_large_sql, false, true},
	{"xmllint, 24 MB", {NULL, NULL}, {"xmllint", "--noout", "%f"}, write_large_xml, false, true},
	{"g++ -c, with <regex>", {NULL, NULL}, {"g++", "-x", "c++", "-std=c++17", "-c", "%f", "-o", "%o"}, write_large_cxx, false, true},
};
/* clang-format on */
