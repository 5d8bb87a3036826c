// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/module.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "symbol/debugfile.h"
#include "symbol/demangle.h"
#include "symbol/dwarfinfo.h"
#include "symbol/effort.h"
#include "symbol/elffile.h"
#include "symbol/perfmap.h"
#include "symbol/symtab.h"
#include "util/text.h"
#include "target/allocator.h"
#include "util/cleanup.h"
#include "util/log.h"

struct module {
	char *shown;		 /* its path, printable */
	int fd;			 /* -1: none */
	struct perfmap *perfmap; /* generated code: nothing below is used */
	struct effort effort;
	bool opened;
	struct elffile *file, *debug, *mini; /* NULL where there is none */
	struct symtab *symtab, *variables;   /* the latter when asked for */
	struct dwarfinfo *dwarf;
};

static void cleanup_module(struct module **m)
{
	module__destroy(*m);
}

int module__create(const struct symbol_source *source, bool tell, struct module **ret)
{
	CLEANUP(cleanup_module) struct module *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->fd = source->fd;
	m->shown = strdup(source->path ? source->path : "?");
	if (!m->shown)
		return -ENOMEM;
	text__clean(m->shown, PATH_MAX);
	m->effort = (struct effort){.what = "reading symbols of", .path = m->shown, .tell = tell};
	if (source->jit_pid) {
		err = perfmap__create(source->jit_pid, &m->perfmap);
		if (err)
			return err;
	}
	*ret = TAKE_PTR(m);
	return 0;
}

void module__destroy(struct module *m)
{
	if (!m)
		return;
	dwarfinfo__destroy(m->dwarf);
	symtab__destroy(m->symtab);
	symtab__destroy(m->variables);
	elffile__destroy(m->mini);
	elffile__destroy(m->debug);
	elffile__destroy(m->file);
	perfmap__destroy(m->perfmap);
	free(m->shown);
	free(m);
}

static int no_memory_only(int err)
{
	return err == -ENOMEM ? err : 0;
}

/* A file can be made so that it needs more memory than there is: that costs its names, no more. */
static void give_up(struct module *m, int err)
{
	if (err && !m->effort.spent) {
		m->effort.spent = true;
		log_warning("%s: no memory to read its symbols; some names will be missing",
			    m->shown);
	}
}

/* The debug file, if something is missing in the file itself. */
static int find_debug_file(struct module *m, const struct debugfile_search *search)
{
	struct elffile *found = NULL, *fetched = NULL;
	int err;

	if (elffile__has_symtab(m->file) && elffile__has_dwarf(m->file))
		return 0;
	err = debugfile__find(search, m->file, &found);
	if (err == -ENOMEM)
		return err;
	if (!elffile__has_dwarf(m->file) && (!found || !elffile__has_dwarf(found))) {
		err = debugfile__fetch(search, m->file, &fetched);
		if (!err) {
			elffile__destroy(found);
			found = fetched;
		}
	}
	m->debug = found;
	return no_memory_only(err);
}

static int collect_symbols(struct module *m, enum symtab_kind kind, struct symtab **ret)
{
	struct elffile *files[3];
	size_t n = 0;

	files[n++] = m->file;
	if (m->debug)
		files[n++] = m->debug;
	if (m->mini)
		files[n++] = m->mini;
	return symtab__create(files, n, kind, ret);
}

static int read_symtab(struct module *m)
{
	int err;

	if (!elffile__has_symtab(m->file) && (!m->debug || !elffile__has_symtab(m->debug))) {
		err = debugfile__unpack_mini(m->file, &m->mini);
		if (err == -ENOMEM)
			return err;
		if (err && err != -ENOENT)
			log_info("%s: its .gnu_debugdata cannot be read", m->shown);
	}
	return collect_symbols(m, SYMTAB_FUNCTIONS, &m->symtab);
}

static int open_dwarf(struct module *m, const struct debugfile_search *search)
{
	bool own = elffile__has_dwarf(m->file);
	const struct elffile *from = own ? m->file : m->debug;
	int err;

	if (!from)
		return 0;
	err = dwarfinfo__create(from, own ? m->fd : from->fd, own, search, &m->dwarf);
	if (err == -EFBIG)
		log_warning("%s: its debug information is too large to be read", m->shown);
	return no_memory_only(err);
}

/* Find and read everything but what dwarfinfo reads on demand. */
static int open_module(struct module *m, const struct debugfile_search *search)
{
	int err;

	m->opened = true;
	if (m->fd < 0)
		return 0;
	err = elffile__open(m->fd, false, &m->file);
	if (err)
		return no_memory_only(err);
	err = find_debug_file(m, search);
	if (err)
		return err;
	effort__begin(&m->effort);
	err = read_symtab(m);
	effort__tell(&m->effort);
	if (!err)
		err = open_dwarf(m, search);
	effort__tell(&m->effort);
	effort__end(&m->effort);
	if (!err)
		log_debug("%s: %zu functions, debug information %s", m->shown,
			  m->symtab ? symtab__count(m->symtab) : 0,
			  !m->dwarf  ? "none"
			  : m->debug ? "in its own file"
				     : "inside");
	return err;
}

static int intern_symbol(struct profile *strings, const char *name, size_t size, const char **ret)
{
	CLEANUP_FREE char *text = demangle(name, size);

	*ret = text ? profile__intern(strings, text) : NULL;
	return *ret ? 0 : -ENOMEM;
}

/* The source file of a line, below its directory where it is relative. */
static int intern_file(struct profile *strings, const struct dwarfinfo_line *line, const char **ret)
{
	char path[PATH_MAX];
	bool joined = line->file[0] != '/' && line->directory && line->directory[0];

	snprintf(path, sizeof(path), "%s%s%s", joined ? line->directory : "", joined ? "/" : "",
		 line->file);
	text__clean(path, sizeof(path) - 1);
	*ret = profile__intern(strings, path);
	return *ret ? 0 : -ENOMEM;
}

/* An ELF symbol without its version: malloc@@GLIBC_2.2.5. */
static size_t unversioned_size(const char *name)
{
	const char *at = strchr(name, '@');

	return at && at != name ? (size_t)(at - name) : SIZE_MAX;
}

/* The name and offset of the containing function: the symbol table's, as linkers and debuggers call
 * it, or else the DWARF's. */
static int name_function(struct module *m, uint64_t at, uint64_t pc, struct profile *strings,
			 const struct dwarfinfo_line *d, struct profile_line *line)
{
	const char *name;
	uint64_t start;

	if (m->symtab && symtab__find(m->symtab, at, &name, &start)) {
		line->offset = pc - start;
		return intern_symbol(strings, name, unversioned_size(name), &line->symbol);
	}
	/* The trampoline behind a signal handler was never called: its first instruction is it. */
	if (m->symtab && symtab__find(m->symtab, pc, &name, &start) && start == pc)
		return intern_symbol(strings, name, unversioned_size(name), &line->symbol);
	if (!d || !d->name || !d->name[0])
		return 0;
	line->offset = pc - d->start;
	return intern_symbol(strings, d->name, SIZE_MAX, &line->symbol);
}

static int find_in_file(struct module *m, uint64_t at, uint64_t pc, struct profile *strings,
			struct module_lines *lines)
{
	struct dwarfinfo_line found[DWARFINFO_MAX_LINES];
	size_t nr = 0, i = 0;
	int err = 0;

	if (m->dwarf) {
		effort__begin(&m->effort);
		give_up(m, dwarfinfo__find(m->dwarf, at, &m->effort, found, &nr));
		effort__end(&m->effort);
	}
	/* An inlined wrapper that is called malloc is no caller of it. */
	while (i + 1 < nr && found[i].name && allocator__is_name(found[i].name))
		i++;
	for (; !err && i < nr; i++) {
		struct profile_line line = {.line = found[i].line, .inlined = i + 1 < nr};

		if (found[i].file)
			err = intern_file(strings, &found[i], &line.file);
		if (!err && line.inlined && found[i].name && found[i].name[0])
			err = intern_symbol(strings, found[i].name, SIZE_MAX, &line.symbol);
		else if (!err && !line.inlined)
			err = name_function(m, at, pc, strings, &found[i], &line);
		if (!err)
			err = vector_push(&lines->v, line);
	}
	if (!err && !nr) {
		struct profile_line line = {0};

		err = name_function(m, at, pc, strings, NULL, &line);
		if (!err)
			err = vector_push(&lines->v, line);
	}
	return err;
}

static int open_map(void *context)
{
	const struct debugfile_search *search = context;
	struct debugpath_question q = {.kind = DEBUGPATH_PERF_MAP};
	bool ours;

	return search->open(search->context, &q, &ours);
}

static int find_generated(struct module *m, const struct symbol_question *q, uint64_t at,
			  struct profile *strings, struct module_lines *lines, bool *keep)
{
	struct profile_line line = {0};
	const char *name;
	uint64_t start;
	int err = perfmap__find(m->perfmap, at, &name, &start);

	*keep = !err; /* the runtime may name it later */
	if (err) {
		give_up(m, no_memory_only(err));
	} else {
		line.offset = q->pc - start;
		err = intern_symbol(strings, name, SIZE_MAX, &line.symbol);
		if (err)
			return err;
	}
	return vector_push(&lines->v, line);
}

/* One line: the variable and how far into it. */
static int find_variable(struct module *m, uint64_t addr, struct profile *strings,
			 struct module_lines *lines)
{
	struct profile_line line = {0};
	const char *symbol;
	uint64_t start;
	int err = 0;

	if (!m->variables && m->file)
		give_up(m, collect_symbols(m, SYMTAB_VARIABLES, &m->variables));
	if (m->variables && symtab__find(m->variables, addr, &symbol, &start)) {
		line.offset = addr - start;
		err = intern_symbol(strings, symbol, unversioned_size(symbol), &line.symbol);
	}
	return err ? err : vector_push(&lines->v, line);
}

int module__find(struct module *m, const struct debugfile_search *search,
		 const struct symbol_question *q, struct profile *strings,
		 struct module_lines *lines, bool *keep)
{
	/* A call may be the last instruction of its function: the return address is behind it. */
	uint64_t at = q->interrupted || !q->pc ? q->pc : q->pc - 1;
	int err;

	*keep = true;
	if (m->perfmap && q->variable)
		return vector_push(&lines->v, (struct profile_line){0});
	if (m->perfmap) {
		perfmap__open_by(m->perfmap, open_map, (void *)search);
		err = find_generated(m, q, at, strings, lines, keep);
		perfmap__open_by(m->perfmap, NULL, NULL);
		return err;
	}
	if (!m->opened)
		give_up(m, open_module(m, search));
	if (q->variable)
		return find_variable(m, q->pc, strings, lines);
	return find_in_file(m, at, q->pc, strings, lines);
}
