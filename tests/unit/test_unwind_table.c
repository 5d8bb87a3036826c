// SPDX-License-Identifier: GPL-2.0-or-later
/* From ELF files made by hand to tables, and tables to shards. */
#include <dwarf.h>
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "unwind/table.h"
#include "util/cleanup.h"
#include "util/vector.h"

#define CODE_ADDR   0x400000ULL
#define CODE_OFFSET 0x10000ULL
#define CODE_SIZE   0x100000ULL
#define DATA_ADDR   0x200000ULL /* of the file's byte 0, in the segment without code */

enum { RSP = 7, RIP = 16 };

/* --- writing files --- */

struct file {
	VECTOR(uint8_t) v;
};

static void file__release(struct file *f)
{
	vector_release(&f->v);
}

#define FILE_BYTES struct file CLEANUP(file__release)

static size_t put_bytes(struct file *f, const void *data, size_t size)
{
	size_t at = f->v.count;

	assert_int_equal(vector_reserve(&f->v, at + size), 0);
	if (size)
		memcpy(f->v.items + at, data, size);
	f->v.count += size;
	return at;
}

static void put(struct file *f, uint64_t value, size_t size)
{
	put_bytes(f, &value, size);
}

static void set32(struct file *f, size_t at, uint32_t value)
{
	memcpy(f->v.items + at, &value, 4);
}

static Elf64_Ehdr *header(struct file *f)
{
	return (Elf64_Ehdr *)f->v.items;
}

static Elf64_Phdr *segments(struct file *f)
{
	return (Elf64_Phdr *)(f->v.items + sizeof(Elf64_Ehdr));
}

/* A file with a segment of code, one of data, and room for PT_GNU_EH_FRAME. */
static void begin_file(struct file *f)
{
	Elf64_Ehdr h = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(h),
		.e_ehsize = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
		.e_shentsize = sizeof(Elf64_Shdr),
	};
	Elf64_Phdr p[3] = {
		{.p_type = PT_LOAD,
		 .p_flags = PF_R | PF_X,
		 .p_offset = CODE_OFFSET,
		 .p_vaddr = CODE_ADDR,
		 .p_filesz = CODE_SIZE,
		 .p_memsz = CODE_SIZE},
		{.p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = DATA_ADDR},
		{.p_type = PT_NULL},
	};

	put_bytes(f, &h, sizeof(h));
	put_bytes(f, p, sizeof(p));
}

static void end_file(struct file *f)
{
	segments(f)[1].p_filesz = segments(f)[1].p_memsz = f->v.count;
}

struct frame_section {
	size_t at, size;
};

/* CIE and FDEs of .eh_frame or .debug_frame with absolute pointers, at the end of the file. */
static size_t put_cie(struct file *f, bool is_debug)
{
	static const uint8_t rest[] = {
		1, '\0', 1, 0x78, RIP, DW_CFA_def_cfa, RSP, 8, DW_CFA_offset | RIP, 1};
	size_t at = f->v.count;

	put(f, 4 + sizeof(rest), 4);
	put(f, is_debug ? UINT32_MAX : 0, 4);
	put_bytes(f, rest, sizeof(rest));
	return at;
}

/* Begin an FDE of a section that began with its CIE at @cie; gives its place for end_fde(). */
static size_t begin_fde(struct file *f, size_t cie, bool is_debug, uint64_t offset, uint64_t size)
{
	size_t at = f->v.count;

	put(f, 0, 4);
	put(f, is_debug ? 0 : at + 4 - cie, 4);
	put(f, CODE_ADDR + offset, 8);
	put(f, size, 8);
	return at;
}

static void end_fde(struct file *f, size_t at)
{
	set32(f, at, f->v.count - at - 4);
}

/* One function, whose CFA is rsp + @cfa from its first byte on. */
static void put_fde(struct file *f, size_t cie, bool is_debug, uint64_t offset, uint64_t size,
		    uint8_t cfa)
{
	size_t at = begin_fde(f, cie, is_debug, offset, size);

	put(f, DW_CFA_def_cfa_offset, 1);
	put(f, cfa, 1);
	end_fde(f, at);
}

/* Section headers: one named @name, and that of the names. */
static void put_sections(struct file *f, const char *name, struct frame_section s, uint32_t type,
			 uint64_t flags)
{
	static const char names_name[] = "\0.shstrtab";
	size_t names = put_bytes(f, names_name, sizeof(names_name));
	size_t name_at = put_bytes(f, name, strlen(name) + 1) - names, at;
	Elf64_Shdr sh[3] = {
		{.sh_type = SHT_NULL},
		{.sh_type = SHT_STRTAB,
		 .sh_name = 1,
		 .sh_offset = names,
		 .sh_size = f->v.count - names},
		{.sh_type = type,
		 .sh_flags = flags,
		 .sh_name = name_at,
		 .sh_addr = flags & SHF_ALLOC ? DATA_ADDR + s.at : 0,
		 .sh_offset = s.at,
		 .sh_size = s.size},
	};

	at = put_bytes(f, sh, sizeof(sh));
	header(f)->e_shoff = at;
	header(f)->e_shnum = 3;
	header(f)->e_shstrndx = 1;
}

/* PT_GNU_EH_FRAME that says that .eh_frame begins at byte @at of the file. */
static void put_eh_frame_hdr(struct file *f, size_t at)
{
	size_t hdr = f->v.count;

	put(f, 1, 1);
	put(f, DW_EH_PE_pcrel | DW_EH_PE_sdata4, 1);
	put(f, 0xffff, 2);
	put(f, at - (hdr + 4), 4);
	segments(f)[2] = (Elf64_Phdr){.p_type = PT_GNU_EH_FRAME,
				      .p_offset = hdr,
				      .p_vaddr = DATA_ADDR + hdr,
				      .p_filesz = 8,
				      .p_memsz = 8};
}

static void check_cfa(const struct unwind_table *t, uint64_t offset, int cfa)
{
	const struct unwind_rule *r = unwind_table__find(t, CODE_OFFSET + offset);

	assert_int_equal(r->cfa, cfa ? UNWIND_CFA_SP : UNWIND_CFA_GAP);
	assert_int_equal(r->cfa_offset, cfa);
}

/* --- where the information is --- */

static struct frame_section put_small_section(struct file *f, bool is_debug)
{
	size_t cie = put_cie(f, is_debug);

	put_fde(f, cie, is_debug, 0x1000, 0x20, 16);
	put_fde(f, cie, is_debug, 0x1020, 0x10, 24);
	return (struct frame_section){cie, f->v.count - cie};
}

static void check_small_section(const struct unwind_table *t)
{
	assert_int_equal(t->stats.fdes, 2);
	assert_int_equal(t->stats.bad_fdes, 0);
	assert_int_equal(t->start, CODE_OFFSET + 0x1000);
	assert_int_equal(t->nr_pages, 1);
	check_cfa(t, 0, 0);
	check_cfa(t, 0xfff, 0);
	check_cfa(t, 0x1000, 16);
	check_cfa(t, 0x101f, 16);
	check_cfa(t, 0x1020, 24);
	check_cfa(t, 0x102f, 24);
	check_cfa(t, 0x1030, 0);
	check_cfa(t, 0x2000, 0);
}

static void check_image(const struct file *f)
{
	struct unwind_table *t;

	assert_int_equal(unwind_table__compile_image(f->v.items, f->v.count, &t), 0);
	check_small_section(t);
	unwind_table__destroy(t);
}

static void eh_frame_by_section(void **state)
{
	FILE_BYTES f = {0};
	struct frame_section s;

	(void)state;
	begin_file(&f);
	s = put_small_section(&f, false);
	put_sections(&f, ".eh_frame", s, SHT_PROGBITS, SHF_ALLOC);
	end_file(&f);
	check_image(&f);
}

static void eh_frame_by_program_header(void **state)
{
	FILE_BYTES f = {0};
	struct frame_section s;

	(void)state;
	begin_file(&f);
	s = put_small_section(&f, false);
	put(&f, 0, 4);
	put_eh_frame_hdr(&f, s.at);
	end_file(&f);
	check_image(&f);
	header(&f)->e_shoff = UINT64_MAX - 8; /* damaged section headers */
	header(&f)->e_shnum = 5;
	check_image(&f);
}

static void debug_frame_by_section(void **state)
{
	FILE_BYTES f = {0};
	struct frame_section s;

	(void)state;
	begin_file(&f);
	s = put_small_section(&f, true);
	put_sections(&f, ".debug_frame", s, SHT_PROGBITS, 0);
	end_file(&f);
	check_image(&f);
}

/* The section's contents compressed, behind the @size bytes of the header. */
static struct frame_section compress_section(struct file *f, struct frame_section s,
					     const void *chdr, size_t size)
{
	uint8_t packed[512];
	uLongf length = sizeof(packed);
	size_t at;

	assert_int_equal(compress(packed, &length, f->v.items + s.at, s.size), Z_OK);
	at = put_bytes(f, chdr, size);
	put_bytes(f, packed, length);
	return (struct frame_section){at, size + length};
}

static void compressed_debug_frame(void **state)
{
	FILE_BYTES gabi = {0};
	FILE_BYTES gnu = {0};
	struct frame_section s;
	Elf64_Chdr chdr = {.ch_type = ELFCOMPRESS_ZLIB, .ch_addralign = 8};
	uint8_t older[12] = "ZLIB";
	struct unwind_table *t;

	(void)state;
	begin_file(&gabi);
	s = put_small_section(&gabi, true);
	chdr.ch_size = s.size;
	s = compress_section(&gabi, s, &chdr, sizeof(chdr));
	put_sections(&gabi, ".debug_frame", s, SHT_PROGBITS, SHF_COMPRESSED);
	end_file(&gabi);
	check_image(&gabi);

	/* Sizes that the stream cannot have. */
	memcpy(&gabi.v.items[s.at + offsetof(Elf64_Chdr, ch_size)], &(uint64_t){200UL << 20}, 8);
	assert_int_equal(unwind_table__compile_image(gabi.v.items, gabi.v.count, &t), 0);
	assert_int_equal(t->stats.fdes, 0);
	unwind_table__destroy(t);

	begin_file(&gnu);
	s = put_small_section(&gnu, true);
	older[11] = s.size;
	s = compress_section(&gnu, s, older, sizeof(older));
	put_sections(&gnu, ".zdebug_frame", s, SHT_PROGBITS, 0);
	end_file(&gnu);
	check_image(&gnu);
}

static int as_fd(const struct file *f)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, f->v.items, f->v.count), f->v.count);
	return fd;
}

static void separate_debug_file(void **state)
{
	FILE_BYTES f = {0};
	FILE_BYTES debug = {0};
	struct frame_section s;
	struct unwind_table *t;
	int fd CLEANUP_CLOSE = -1;
	int debug_fd CLEANUP_CLOSE = -1;
	size_t cie;

	(void)state;
	begin_file(&f);
	cie = put_cie(&f, false);
	put_fde(&f, cie, false, 0x1010, 0x10, 40);
	s = (struct frame_section){cie, f.v.count - cie};
	put_sections(&f, ".eh_frame", s, SHT_PROGBITS, SHF_ALLOC);
	end_file(&f);
	begin_file(&debug);
	s = put_small_section(&debug, true);
	put_sections(&debug, ".debug_frame", s, SHT_PROGBITS, 0);
	end_file(&debug);
	fd = as_fd(&f);
	debug_fd = as_fd(&debug);
	assert_int_equal(unwind_table__compile(fd, debug_fd, &t), 0);
	check_cfa(t, 0x1000, 16);
	check_cfa(t, 0x1010, 40);
	check_cfa(t, 0x101f, 40);
	check_cfa(t, 0x1020, 24);
	check_cfa(t, 0x1030, 0);
	unwind_table__destroy(t);

	/* Another machine's is ignored. */
	header(&debug)->e_machine = EM_AARCH64;
	assert_int_equal(pwrite(debug_fd, debug.v.items, debug.v.count, 0), debug.v.count);
	assert_int_equal(unwind_table__compile(fd, debug_fd, &t), 0);
	check_cfa(t, 0x1000, 0);
	check_cfa(t, 0x1010, 40);
	unwind_table__destroy(t);
}

/* What strip --only-keep-debug leaves: headers whose offsets lead nowhere. */
static void debug_file_alone(void **state)
{
	FILE_BYTES f = {0};
	struct frame_section s;
	struct unwind_table *t;

	(void)state;
	begin_file(&f);
	s = put_small_section(&f, false);
	put_eh_frame_hdr(&f, s.at);
	put_sections(&f, ".eh_frame", s, SHT_NOBITS, SHF_ALLOC);
	end_file(&f);
	assert_int_equal(unwind_table__compile_image(f.v.items, f.v.count, &t), 0);
	assert_int_equal(t->nr_pages, 0);
	check_cfa(t, 0x1000, 0);
	unwind_table__destroy(t);
}

/* --- files that are refused --- */

static void refuse(const struct file *f, int err)
{
	struct unwind_table *t = NULL;

	assert_int_equal(unwind_table__compile_image(f->v.items, f->v.count, &t), err);
	assert_null(t);
}

static void other_files(void **state)
{
	FILE_BYTES f = {0};
	int pipes[2];
	struct unwind_table *t = NULL;

	(void)state;
	refuse(&f, -ENOEXEC);
	begin_file(&f);
	f.v.count--;
	refuse(&f, -ENOEXEC);
	f.v.count++;
	f.v.items[EI_CLASS] = ELFCLASS32;
	refuse(&f, -ENOEXEC);
	f.v.items[EI_CLASS] = ELFCLASS64;
	f.v.items[EI_DATA] = ELFDATA2MSB;
	refuse(&f, -ENOEXEC);
	f.v.items[EI_DATA] = ELFDATA2LSB;
	header(&f)->e_type = ET_REL;
	refuse(&f, -ENOEXEC);
	header(&f)->e_type = ET_DYN;
	header(&f)->e_machine = EM_RISCV;
	refuse(&f, -ENOEXEC);
	header(&f)->e_machine = EM_X86_64;
	header(&f)->e_phentsize = 32;
	refuse(&f, -ENOEXEC);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(unwind_table__compile(pipes[0], -1, &t), -ENOEXEC);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(unwind_table__compile(pipes[0], -1, &t), -EBADF);
	unwind_table__destroy(NULL);
}

/* Code at both ends of a huge sparse file: no table is as large as that. */
static void code_far_apart(void **state)
{
	FILE_BYTES f = {0};
	struct frame_section s;

	(void)state;
	begin_file(&f);
	segments(&f)[0].p_filesz = segments(&f)[0].p_memsz = 1ULL << 40;
	s.at = put_cie(&f, false);
	put_fde(&f, s.at, false, 0x1000, 0x20, 16);
	put_fde(&f, s.at, false, 1ULL << 39, 0x20, 16);
	s.size = f.v.count - s.at;
	put_sections(&f, ".eh_frame", s, SHT_PROGBITS, SHF_ALLOC);
	end_file(&f);
	refuse(&f, -EFBIG);
}

static void any_damaged_byte(void **state)
{
	FILE_BYTES f = {0};
	struct frame_section s;
	struct unwind_table *t;
	size_t i;

	(void)state;
	begin_file(&f);
	s = put_small_section(&f, false);
	put_eh_frame_hdr(&f, s.at);
	put_sections(&f, ".eh_frame", s, SHT_PROGBITS, SHF_ALLOC);
	end_file(&f);
	for (i = 0; i < f.v.count; i++) {
		uint8_t kept = f.v.items[i];
		unsigned int bit;

		for (bit = 0; bit < 8; bit++) {
			f.v.items[i] = kept ^ 1U << bit;
			if (unwind_table__compile_image(f.v.items, f.v.count, &t) == 0)
				unwind_table__destroy(t);
		}
		f.v.items[i] = kept;
		if (unwind_table__compile_image(f.v.items, i, &t) == 0)
			unwind_table__destroy(t);
	}
}

/* --- large tables --- */

/* What each byte of the code is to have: the CFA's offset from rsp; 0: a gap. */
static uint8_t expected[CODE_SIZE];

/* A function with rows at random places, up to @size bytes. */
static void put_random_function(struct file *f, size_t cie, uint64_t offset, uint64_t size)
{
	size_t at = begin_fde(f, cie, false, offset, size);
	uint64_t pos = 0;
	uint8_t cfa = 8;

	while (pos < size) {
		uint8_t delta = 1 + rand() % (rand() % 16 ? 7 : 63);
		uint64_t i;

		for (i = pos; i < size && i < pos + delta; i++)
			expected[offset + i] = cfa;
		pos += delta;
		cfa = 8 + 8 * (rand() % 12);
		put(f, DW_CFA_advance_loc | delta, 1);
		put(f, DW_CFA_def_cfa_offset, 1);
		put(f, cfa, 1);
	}
	end_fde(f, at);
}

static void make_large_file(struct file *f)
{
	struct frame_section s;
	uint64_t offset = 0x321;

	srand(7);
	memset(expected, 0, sizeof(expected));
	begin_file(f);
	s.at = put_cie(f, false);
	while (offset < CODE_SIZE) {
		uint64_t size = 1 + rand() % (rand() % 8 ? 300 : 5000);

		if (size > CODE_SIZE - offset)
			size = CODE_SIZE - offset;
		put_random_function(f, s.at, offset, size);
		offset += size + (rand() % 3 ? 0 : rand() % (rand() % 10 ? 20 : 3000));
	}
	s.size = f->v.count - s.at;
	put_sections(f, ".eh_frame", s, SHT_PROGBITS, SHF_ALLOC);
	end_file(f);
}

static void every_byte_is_found(void **state)
{
	FILE_BYTES f = {0};
	struct unwind_table *t;
	uint64_t i;

	(void)state;
	make_large_file(&f);
	assert_int_equal(unwind_table__compile_image(f.v.items, f.v.count, &t), 0);
	for (i = 0; i < CODE_SIZE; i++)
		check_cfa(t, i, expected[i]);
	check_cfa(t, CODE_SIZE, 0);
	check_cfa(t, -CODE_OFFSET, 0);
	unwind_table__destroy(t);
}

struct shards {
	VECTOR(struct unwind_shard *) v;
};

static struct unwind_page *place_all(struct unwind_table *t, struct shards *shards, uint32_t used)
{
	struct unwind_page *pages = calloc(t->nr_pages, sizeof(*pages));
	size_t page = 0;

	assert_non_null(pages);
	while (page < t->nr_pages) {
		struct unwind_shard *s = calloc(1, sizeof(*s));

		assert_non_null(s);
		assert_int_equal(vector_push(&shards->v, s), 0);
		page = unwind_table__place(t, page, shards->v.count - 1, s->rows, &used, pages);
		assert_true(used <= UNWIND_SHARD_ROWS);
		/* A shard is given up only when hardly any room is left. */
		assert_true(page == t->nr_pages || used > UNWIND_SHARD_ROWS - UNWIND_PAGE_SIZE);
		used = 0;
	}
	return pages;
}

/* As the kernel side does it: page, shard, rule; one row after the other. */
static const struct unwind_rule *find_placed(const struct unwind_table *t,
					     const struct unwind_page *pages,
					     const struct shards *shards,
					     const struct rule_set *set, uint64_t offset)
{
	const struct unwind_page *p = &pages[(offset - t->start) / UNWIND_PAGE_SIZE];
	size_t nr;
	const struct unwind_rule *rules = rule_set__rules(set, &nr);
	uint16_t rule = p->first, i;

	for (i = 0; i < p->n; i++) {
		uint32_t row = shards->v.items[p->shard]->rows[p->first + i];

		if (UNWIND_ROW_OFFSET(row) <= offset % UNWIND_PAGE_SIZE)
			rule = UNWIND_ROW_RULE(row);
	}
	assert_true(rule < nr);
	return &rules[rule];
}

static void placed_in_shards(void **state)
{
	FILE_BYTES f = {0};
	struct shards shards = {0};
	struct unwind_page *pages CLEANUP_FREE = NULL;
	struct unwind_rule before = {.cfa = UNWIND_CFA_FP};
	struct rule_set *set;
	struct unwind_table *t;
	uint64_t i;

	(void)state;
	make_large_file(&f);
	assert_int_equal(unwind_table__compile_image(f.v.items, f.v.count, &t), 0);
	assert_int_equal(rule_set__create(&set), 0);
	/* Other files' rules come before this one's. */
	for (i = 0; i < 100; i++) {
		before.cfa_offset = i;
		rule_set__index(set, &before);
	}
	assert_int_equal(unwind_table__link(t, set), 0);
	pages = place_all(t, &shards, 60000);
	assert_true(shards.v.count >= 3);
	for (i = 0x321; i < CODE_SIZE; i++) {
		uint64_t offset = CODE_OFFSET + i;
		const struct unwind_rule *r;

		if ((offset - t->start) / UNWIND_PAGE_SIZE >= t->nr_pages)
			break;
		r = find_placed(t, pages, &shards, set, offset);
		assert_int_equal(r->cfa, expected[i] ? UNWIND_CFA_SP : UNWIND_CFA_GAP);
		assert_int_equal(r->cfa_offset, expected[i]);
	}
	for (i = 0; i < shards.v.count; i++)
		free(shards.v.items[i]);
	vector_release(&shards.v);
	rule_set__destroy(set);
	unwind_table__destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eh_frame_by_section),
		cmocka_unit_test(eh_frame_by_program_header),
		cmocka_unit_test(debug_frame_by_section),
		cmocka_unit_test(compressed_debug_frame),
		cmocka_unit_test(separate_debug_file),
		cmocka_unit_test(debug_file_alone),
		cmocka_unit_test(other_files),
		cmocka_unit_test(code_far_apart),
		cmocka_unit_test(any_damaged_byte),
		cmocka_unit_test(every_byte_is_found),
		cmocka_unit_test(placed_in_shards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
