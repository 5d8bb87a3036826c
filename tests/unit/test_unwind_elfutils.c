// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every row of real files against elfutils.
 *
 * Both sides are asked what the CFA, the caller's frame pointer and the return address are, on
 * random registers and a memory whose contents are a hash of the address: two rules that mean the
 * same give the same numbers, whatever their form, and others do not.
 *
 * Without further ado the files are those that this test has loaded. MEMLEAK_UNWIND_FILES holds
 * files and directories to take instead, with colons between them; MEMLEAK_UNWIND_DEBUG a debug
 * file that belongs to the only file. A table of all that was compared goes to standard output.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "unwind/arch.h"
#include "unwind/table.h"
#include "util/cleanup.h"
#include "util/vector.h"

enum verdict { EQUAL, DIFFERENT, UNSUPPORTED };

struct counts {
	uint64_t files, skipped, fdes, bad_fdes, rows, table_rows, pages, rules, checks;
	uint64_t by_cfa[UNWIND_CFAS];
	uint64_t different, unread;
	uint64_t unsupported, lost_fp, lost_ra;
	double seconds;
};

/* --- evaluating both sides on the same registers and memory --- */

#define NR_REGS 64

struct machine {
	uint64_t regs[NR_REGS];
	uint64_t cfa;
};

static uint64_t hash(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t memory(uint64_t addr)
{
	return hash(addr + 0x9e3779b97f4a7c15ULL);
}

static void fill_machine(struct machine *m, uint64_t ip)
{
	size_t i;

	for (i = 0; i < NR_REGS; i++)
		m->regs[i] = hash(i + 1);
	m->regs[16] = ip; /* x86-64's rip */
}

#define STACK 32

struct stack {
	uint64_t v[STACK];
	unsigned int n;
};

static bool binary(struct stack *s, uint8_t op)
{
	uint64_t a, b;

	if (s->n < 2)
		return false;
	b = s->v[--s->n];
	a = s->v[--s->n];
	switch (op) {
	case DW_OP_plus:
		a += b;
		break;
	case DW_OP_minus:
		a -= b;
		break;
	case DW_OP_mul:
		a *= b;
		break;
	case DW_OP_and:
		a &= b;
		break;
	case DW_OP_shl:
		a <<= b & 63;
		break;
	case DW_OP_ge:
		a = (int64_t)a >= (int64_t)b;
		break;
	default:
		return false;
	}
	s->v[s->n++] = a;
	return true;
}

/* Whether the operations could be evaluated; *@is_value: they give the value, not its place. */
static bool evaluate(const struct machine *m, const Dwarf_Op *ops, size_t n, uint64_t *ret,
		     bool *is_value)
{
	struct stack s = {0};
	size_t i;

	*is_value = false;
	for (i = 0; i < n; i++) {
		const Dwarf_Op *o = &ops[i];
		uint8_t op = o->atom;

		if (s.n + 1 >= STACK)
			return false;
		if (op >= DW_OP_breg0 && op <= DW_OP_breg31)
			s.v[s.n++] = m->regs[op - DW_OP_breg0] + o->number;
		else if (op == DW_OP_bregx && o->number < NR_REGS)
			s.v[s.n++] = m->regs[o->number] + o->number2;
		else if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
			s.v[s.n++] = op - DW_OP_lit0;
		else if (op >= DW_OP_const1u && op <= DW_OP_consts)
			s.v[s.n++] = o->number;
		else if (op == DW_OP_call_frame_cfa)
			s.v[s.n++] = m->cfa;
		else if (op == DW_OP_plus_uconst && s.n)
			s.v[s.n - 1] += o->number;
		else if (op == DW_OP_deref && s.n)
			s.v[s.n - 1] = memory(s.v[s.n - 1]);
		else if (op == DW_OP_stack_value && i + 1 == n)
			*is_value = true;
		else if (!binary(&s, op))
			return false;
	}
	if (!s.n)
		return false;
	*ret = s.v[s.n - 1];
	return true;
}

enum known { KNOWN, UNDEFINED, UNKNOWN };

/* What elfutils says of register @reg. */
static enum known their_register(const struct machine *m, Dwarf_Frame *frame, int reg,
				 uint64_t *ret)
{
	Dwarf_Op mem[3], *ops;
	size_t n;
	uint64_t v;
	bool is_value;

	if (dwarf_frame_register(frame, reg, mem, &ops, &n))
		return UNKNOWN;
	if (n == 0 && ops == mem)
		return UNDEFINED;
	if (n == 0) {
		*ret = m->regs[reg];
		return KNOWN;
	}
	if (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31) {
		*ret = m->regs[ops[0].atom - DW_OP_reg0];
		return KNOWN;
	}
	if (ops[0].atom == DW_OP_regx && ops[0].number < NR_REGS) {
		*ret = m->regs[ops[0].number];
		return KNOWN;
	}
	if (!evaluate(m, ops, n, &v, &is_value))
		return UNKNOWN;
	*ret = is_value ? v : memory(v);
	return KNOWN;
}

static uint64_t our_cfa(const struct machine *m, const struct unwind_rule *r,
			const struct unwind_arch *arch)
{
	uint64_t sp = m->regs[arch->sp], fp = m->regs[arch->fp];

	switch (r->cfa) {
	case UNWIND_CFA_SP:
		return sp + r->cfa_offset;
	case UNWIND_CFA_FP:
		return fp + r->cfa_offset;
	case UNWIND_CFA_PLT:
		return sp + r->cfa_offset + ((m->regs[16] & 15) >= r->addend ? 8 : 0);
	case UNWIND_CFA_DEREF_SP:
	case UNWIND_CFA_SIGNAL:
		return memory(sp + r->cfa_offset) + r->addend;
	case UNWIND_CFA_DEREF_FP:
		return memory(fp + r->cfa_offset) + r->addend;
	default:
		fail_msg("no CFA in rule kind %u", r->cfa);
		return 0;
	}
}

static enum known our_register(const struct machine *m, const struct unwind_rule *r,
			       const struct unwind_arch *arch, bool is_return, uint64_t *ret)
{
	int64_t offset = is_return ? r->ra_offset : r->fp_offset;

	switch (is_return ? r->ra : r->fp) {
	case UNWIND_SAME:
		*ret = m->regs[is_return ? arch->ra : arch->fp];
		return KNOWN;
	case UNWIND_AT_CFA:
		*ret = memory(m->cfa + offset);
		return KNOWN;
	case UNWIND_AT_SP:
		*ret = memory(m->regs[arch->sp] + offset);
		return KNOWN;
	case UNWIND_AT_FP:
		*ret = memory(m->regs[arch->fp] + offset);
		return KNOWN;
	case UNWIND_BELOW_RA:
		*ret = memory(m->cfa + r->ra_offset - 8);
		return KNOWN;
	case UNWIND_IS_CFA:
		*ret = m->cfa + offset;
		return KNOWN;
	default:
		return UNKNOWN;
	}
}

/* --- one row --- */

struct file {
	const char *path;
	const struct unwind_arch *arch;
	struct unwind_table *table;
	Dwarf_CFI *cfi[3]; /* in the order of preference */
	bool stops_early;  /* elfutils does not read all of a .debug_frame */
	struct counts *counts;
};

static void describe(const struct file *f, uint64_t addr, const struct unwind_rule *r,
		     Dwarf_Frame *frame, const char *what)
{
	Dwarf_Op *ops = NULL, mem[3];
	size_t n = 0, i;
	int reg[2] = {f->arch->fp, f->arch->ra}, j;

	if (f->counts->different > 20)
		return;
	printf("%s: %#" PRIx64 ": %s: ours cfa %u%+d add %u, fp %u%+d, ra %u%+d; theirs", f->path,
	       addr, what, r->cfa, r->cfa_offset, r->addend, r->fp, r->fp_offset, r->ra,
	       r->ra_offset);
	if (frame && dwarf_frame_cfa(frame, &ops, &n) == 0)
		for (i = 0; i < n; i++)
			printf(" %#x(%" PRId64 ")", ops[i].atom, (int64_t)ops[i].number);
	for (j = 0; frame && j < 2; j++) {
		printf("; r%d", reg[j]);
		if (dwarf_frame_register(frame, reg[j], mem, &ops, &n) == 0)
			for (i = 0; i < n; i++)
				printf(" %#x(%" PRId64 ")", ops[i].atom, (int64_t)ops[i].number);
	}
	printf("\n");
}

static bool their_cfa(const struct machine *m, Dwarf_Frame *frame, uint64_t *ret)
{
	Dwarf_Op *ops;
	size_t n;
	bool is_value;

	return dwarf_frame_cfa(frame, &ops, &n) == 0 && evaluate(m, ops, n, ret, &is_value);
}

static enum verdict compare_registers(struct machine *m, const struct file *f,
				      const struct unwind_rule *r, Dwarf_Frame *frame)
{
	uint64_t ours = 0, theirs = 0;
	enum known known;
	enum verdict v = EQUAL;

	known = their_register(m, frame, f->arch->ra, &theirs);
	if (r->ra == UNWIND_LOST) {
		f->counts->lost_ra++;
		v = UNSUPPORTED;
	} else if (known != KNOWN || our_register(m, r, f->arch, true, &ours) != KNOWN ||
		   ours != theirs) {
		return DIFFERENT;
	}
	known = their_register(m, frame, f->arch->fp, &theirs);
	if (r->fp == UNWIND_LOST) {
		f->counts->lost_fp += known == KNOWN;
		return known == KNOWN ? UNSUPPORTED : v;
	}
	if (known != KNOWN || our_register(m, r, f->arch, false, &ours) != KNOWN || ours != theirs)
		return DIFFERENT;
	return v;
}

static enum verdict compare_row(const struct file *f, uint64_t addr, const struct unwind_rule *r,
				Dwarf_Frame *frame)
{
	struct machine m;
	uint64_t theirs = 0;

	fill_machine(&m, addr);
	if (r->cfa == UNWIND_CFA_GAP)
		return frame ? DIFFERENT : EQUAL;
	if (!frame) /* an FDE that they find damaged as well */
		return r->cfa == UNWIND_CFA_INVALID ? EQUAL : DIFFERENT;
	if (r->cfa == UNWIND_CFA_STOP)
		return their_register(&m, frame, f->arch->ra, &theirs) == UNDEFINED ? EQUAL
										    : DIFFERENT;
	if (r->cfa == UNWIND_CFA_INVALID || r->cfa == UNWIND_CFA_REGISTER)
		return UNSUPPORTED;
	/* The kernel's trampoline: ours comes from the layout of the frame, not from the CFI. */
	if (r->cfa == UNWIND_CFA_SIGNAL && f->arch->signal.cfa == UNWIND_CFA_SIGNAL)
		return EQUAL;
	m.cfa = our_cfa(&m, r, f->arch);
	if (!their_cfa(&m, frame, &theirs) || theirs != m.cfa)
		return DIFFERENT;
	return compare_registers(&m, f, r, frame);
}

/* --- one file --- */

static Dwarf_Frame *find_frame(const struct file *f, uint64_t addr, uint64_t *end)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr start, stop;
	bool is_signal;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(f->cfi); i++) {
		if (!f->cfi[i] || dwarf_cfi_addrframe(f->cfi[i], addr, &frame))
			continue;
		if (dwarf_frame_info(frame, &start, &stop, &is_signal) >= 0 && stop > addr &&
		    stop < *end)
			*end = stop;
		return frame;
	}
	return NULL;
}

/* Where the rule of ours that holds at @offset ends, or @end. */
static uint64_t our_end(const struct unwind_table *t, uint64_t offset, uint64_t end)
{
	uint64_t page = offset < t->start ? 0 : (offset - t->start) / UNWIND_PAGE_SIZE;

	if (offset < t->start)
		return t->start < end ? t->start : end;
	for (; page < t->nr_pages; page++) {
		const struct unwind_table_page *p = &t->pages[page];
		uint64_t start = t->start + page * UNWIND_PAGE_SIZE;
		uint32_t i;

		if (start > offset)
			return start < end ? start : end;
		for (i = 0; i < p->n; i++) {
			uint64_t at = start + UNWIND_ROW_OFFSET(t->rows[p->first + i]);

			if (at > offset)
				return at < end ? at : end;
		}
	}
	return end;
}

/*
 * Go's linker leaves a word of zeroes between the parts of a .debug_frame. That ends the section
 * for elfutils, not for binutils nor for us: there is nothing then to compare with.
 */
static bool has_inner_end(Elf *elf)
{
	Elf_Scn *scn = NULL;
	GElf_Ehdr header;
	GElf_Shdr shdr;
	size_t names = 0;

	if (!gelf_getehdr(elf, &header) || elf_getshdrstrndx(elf, &names))
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name;
		Elf_Data *data;
		Dwarf_CFI_Entry entry;
		Dwarf_Off at = 0, next;

		if (!gelf_getshdr(scn, &shdr) || !(name = elf_strptr(elf, names, shdr.sh_name)) ||
		    strcmp(name, ".debug_frame") != 0 || shdr.sh_type == SHT_NOBITS)
			continue;
		if (shdr.sh_flags & SHF_COMPRESSED && elf_compress(scn, 0, 0) < 0)
			continue;
		data = elf_getdata(scn, NULL);
		while (data && at + 4 < data->d_size &&
		       dwarf_next_cfi((unsigned char *)header.e_ident, data, false, at, &next,
				      &entry) == 0)
			at = next;
		return data && at + 4 < data->d_size;
	}
	return false;
}

/* In a gap: functions begin at multiples of 16, mostly; look for one that we do not know. */
#define GAP_STRIDE 16

static void check_segment(struct file *f, const GElf_Phdr *p)
{
	uint64_t pos = 0;

	while (pos < p->p_filesz) {
		uint64_t addr = p->p_vaddr + pos, offset = p->p_offset + pos;
		uint64_t end = p->p_vaddr + our_end(f->table, offset, p->p_offset + p->p_filesz) -
			       p->p_offset;
		const struct unwind_rule *r = unwind_table__find(f->table, offset);
		Dwarf_Frame *frame;
		enum verdict v;

		if (r->cfa == UNWIND_CFA_GAP && end > addr + GAP_STRIDE)
			end = (addr + GAP_STRIDE) & -(uint64_t)GAP_STRIDE;
		frame = find_frame(f, addr, &end);
		v = compare_row(f, addr, r, frame);
		if (v == DIFFERENT && !frame && f->stops_early) {
			f->counts->unread++;
			v = EQUAL;
		}
		f->counts->checks++;
		f->counts->by_cfa[r->cfa]++;
		if (v == DIFFERENT) {
			f->counts->different++;
			describe(f, addr, r, frame, "differs");
		} else if (v == UNSUPPORTED) {
			f->counts->unsupported++;
			if (getenv("MEMLEAK_UNWIND_VERBOSE"))
				describe(f, addr, r, frame, "unsupported");
		}
		free(frame);
		pos = end - p->p_vaddr;
	}
}

static void check_segments(struct file *f, Elf *elf)
{
	GElf_Phdr p;
	size_t n = 0, i;

	elf_getphdrnum(elf, &n);
	for (i = 0; i < n; i++)
		if (gelf_getphdr(elf, i, &p) && p.p_type == PT_LOAD && p.p_flags & PF_X)
			check_segment(f, &p);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void add_stats(struct counts *c, const struct unwind_table *t, double seconds)
{
	size_t nr;

	rule_set__rules(t->rules, &nr);
	c->files++;
	c->fdes += t->stats.fdes;
	c->bad_fdes += t->stats.bad_fdes;
	c->rows += t->stats.rows;
	c->table_rows += t->nr_rows;
	c->pages += t->nr_pages;
	if (nr > c->rules)
		c->rules = nr;
	c->seconds += seconds;
}

static void check_with(struct file *f, Elf *elf, Elf *debug_elf)
{
	Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	Dwarf *debug = debug_elf ? dwarf_begin_elf(debug_elf, DWARF_C_READ, NULL) : NULL;

	f->stops_early = has_inner_end(elf);
	f->cfi[0] = dwarf_getcfi_elf(elf);
	f->cfi[1] = dwarf ? dwarf_getcfi(dwarf) : NULL;
	f->cfi[2] = debug ? dwarf_getcfi(debug) : NULL;
	check_segments(f, elf);
	dwarf_cfi_end(f->cfi[0]);
	dwarf_end(dwarf);
	dwarf_end(debug);
}

/* Compile @path and compare. What is not an ELF file for these machines is counted as skipped. */
static void check_file(const char *path, const char *debug_path, struct counts *c)
{
	int fd CLEANUP_CLOSE = open(path, O_RDONLY | O_CLOEXEC);
	int debug_fd CLEANUP_CLOSE = debug_path ? open(debug_path, O_RDONLY | O_CLOEXEC) : -1;
	struct file f = {.path = path, .counts = c};
	double start = now(), seconds;
	Elf *elf, *debug_elf = NULL;
	GElf_Ehdr header;
	int err = fd < 0 ? -1 : unwind_table__compile(fd, debug_fd, &f.table);

	seconds = now() - start;
	if (err) {
		c->skipped++;
		return;
	}
	add_stats(c, f.table, seconds);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (debug_fd >= 0)
		debug_elf = elf_begin(debug_fd, ELF_C_READ_MMAP, NULL);
	if (elf && gelf_getehdr(elf, &header)) {
		f.arch = unwind_arch__find(header.e_machine);
		check_with(&f, elf, debug_elf);
	}
	elf_end(elf);
	elf_end(debug_elf);
	unwind_table__destroy(f.table);
}

/* --- all files --- */

static void print_counts(const struct counts *c)
{
	static const char *const kinds[UNWIND_CFAS] = {
		[UNWIND_CFA_GAP] = "no row",
		[UNWIND_CFA_INVALID] = "invalid or no such shape",
		[UNWIND_CFA_STOP] = "stop",
		[UNWIND_CFA_REGISTER] = "other register",
		[UNWIND_CFA_SP] = "sp + o",
		[UNWIND_CFA_FP] = "fp + o",
		[UNWIND_CFA_PLT] = "plt",
		[UNWIND_CFA_DEREF_SP] = "*(sp + o) + a",
		[UNWIND_CFA_DEREF_FP] = "*(fp + o) + a",
		[UNWIND_CFA_SIGNAL] = "signal",
	};
	size_t i;

	printf("%10" PRIu64 " files, %" PRIu64 " others skipped\n", c->files, c->skipped);
	printf("%10" PRIu64 " FDEs, %" PRIu64 " entries damaged\n", c->fdes, c->bad_fdes);
	printf("%10" PRIu64 " rows in %" PRIu64 " table rows and %" PRIu64 " pages\n", c->rows,
	       c->table_rows, c->pages);
	printf("%10" PRIu64 " rules at most in a file\n", c->rules);
	printf("%10.1f million rows compiled a second\n", c->rows / 1e6 / (c->seconds + 1e-9));
	printf("%10" PRIu64 " places compared\n", c->checks);
	for (i = 0; i < UNWIND_CFAS; i++)
		printf("%10" PRIu64 "   %s\n", c->by_cfa[i], kinds[i]);
	printf("%10" PRIu64 " different\n", c->different);
	printf("%10" PRIu64 " not compared: elfutils stops reading earlier\n", c->unread);
	printf("%10" PRIu64 " unsupported (%.4f %%), of these %" PRIu64
	       " return addresses and %" PRIu64 " frame pointers\n",
	       c->unsupported, 100.0 * c->unsupported / (c->checks ? c->checks : 1), c->lost_ra,
	       c->lost_fp);
}

static void check_path(const char *path, const char *debug_path, struct counts *c)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir CLEANUP_CLOSEDIR = NULL;

	if (lstat(path, &st))
		return;
	if (S_ISREG(st.st_mode)) {
		check_file(path, debug_path, c);
		return;
	}
	if (S_ISDIR(st.st_mode))
		dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		char *child CLEANUP_FREE = NULL;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (asprintf(&child, "%s/%s", path, entry->d_name) > 0)
			check_path(child, NULL, c);
	}
}

static int check_loaded(struct dl_phdr_info *info, size_t size, void *data)
{
	char *path CLEANUP_FREE =
		realpath(*info->dlpi_name ? info->dlpi_name : "/proc/self/exe", NULL);

	(void)size;
	if (path)
		check_path(path, NULL, data);
	return 0;
}

static void check_list(const char *list, struct counts *c)
{
	char *copy CLEANUP_FREE = strdup(list);
	char *rest = copy, *path;

	assert_non_null(copy);
	while ((path = strsep(&rest, ":"))) {
		char *real CLEANUP_FREE = realpath(path, NULL);

		if (real)
			check_path(real, getenv("MEMLEAK_UNWIND_DEBUG"), c);
	}
}

static void test_equal_to_elfutils(void **state)
{
	static const char *const more[] = {"libstdc++.so.6", "libcrypto.so.3", "libpthread.so.0"};
	const char *list = getenv("MEMLEAK_UNWIND_FILES");
	struct counts c = {0};
	size_t i;

	(void)state;
	elf_version(EV_CURRENT);
	if (list && *list) {
		check_list(list, &c);
	} else {
		for (i = 0; i < ARRAY_SIZE(more); i++)
			dlopen(more[i], RTLD_LAZY); /* for the list below; absent is fine */
		dl_iterate_phdr(check_loaded, &c);
		check_list("/usr/bin/python3", &c);
	}
	print_counts(&c);
	assert_true(c.files > 0);
	assert_int_equal(c.different, 0);
	/* Hand-written code and prologues that realign the stack: much of libcrypto, else rare. */
	assert_true(c.unsupported <= c.checks / (list && *list ? 1000 : 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal_to_elfutils)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
