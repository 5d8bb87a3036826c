// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/notes.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

#define NOTE_TYPE 3 /* NT_STAPSDT */
#define NO_INDEX  0xff

/* --- notes --- */

/* The string at *@at, which must end before @end; *@at is moved behind it. */
static bool take_string(const unsigned char *data, size_t *at, size_t end, const char **ret)
{
	const unsigned char *zero = *at < end ? memchr(data + *at, 0, end - *at) : NULL;

	if (!zero)
		return false;
	*ret = (const char *)data + *at;
	*at = zero - data + 1;
	return true;
}

static bool parse_description(const unsigned char *data, size_t at, size_t end,
			      struct notes_note *ret)
{
	uint64_t words[3];

	if (end - at < sizeof(words))
		return false;
	memcpy(words, data + at, sizeof(words));
	at += sizeof(words);
	ret->address = words[0];
	ret->base = words[1];
	ret->semaphore = words[2];
	return take_string(data, &at, end, &ret->provider) &&
	       take_string(data, &at, end, &ret->name) &&
	       take_string(data, &at, end, &ret->arguments);
}

bool notes__next(const unsigned char *data, size_t n, size_t *at, struct notes_note *ret)
{
	static const char owner[] = "stapsdt";
	uint32_t head[3]; /* lengths of the name and the description, type: elf(5) */

	while (*at <= n && n - *at >= sizeof(head)) {
		size_t name = *at + sizeof(head), description, end;

		memcpy(head, data + *at, sizeof(head));
		if (head[0] > n - name)
			return false;
		description = name + ((head[0] + 3ULL) & ~3ULL);
		if (description > n || head[1] > n - description)
			return false;
		end = description + head[1];
		*at = description + ((head[1] + 3ULL) & ~3ULL);
		if (head[2] == NOTE_TYPE && head[0] == sizeof(owner) &&
		    memcmp(data + name, owner, sizeof(owner)) == 0 &&
		    parse_description(data, description, end, ret))
			return true;
	}
	return false;
}

/* --- arguments --- */

struct reg {
	const char *name;
	uint8_t word; /* in struct pt_regs */
};

/* arch/x86/include/asm/ptrace.h. Registers of all widths; the size says how much of one counts. */
static const struct reg x86_registers[] = {
	{"r15", 0},  {"r15d", 0}, {"r15w", 0}, {"r15b", 0}, {"r14", 1},	 {"r14d", 1}, {"r14w", 1},
	{"r14b", 1}, {"r13", 2},  {"r13d", 2}, {"r13w", 2}, {"r13b", 2}, {"r12", 3},  {"r12d", 3},
	{"r12w", 3}, {"r12b", 3}, {"rbp", 4},  {"ebp", 4},  {"bp", 4},	 {"bpl", 4},  {"rbx", 5},
	{"ebx", 5},  {"bx", 5},	  {"bl", 5},   {"r11", 6},  {"r11d", 6}, {"r11w", 6}, {"r11b", 6},
	{"r10", 7},  {"r10d", 7}, {"r10w", 7}, {"r10b", 7}, {"r9", 8},	 {"r9d", 8},  {"r9w", 8},
	{"r9b", 8},  {"r8", 9},	  {"r8d", 9},  {"r8w", 9},  {"r8b", 9},	 {"rax", 10}, {"eax", 10},
	{"ax", 10},  {"al", 10},  {"rcx", 11}, {"ecx", 11}, {"cx", 11},	 {"cl", 11},  {"rdx", 12},
	{"edx", 12}, {"dx", 12},  {"dl", 12},  {"rsi", 13}, {"esi", 13}, {"si", 13},  {"sil", 13},
	{"rdi", 14}, {"edi", 14}, {"di", 14},  {"dil", 14}, {"rsp", 19}, {"esp", 19},
};

#define ARM64_SP 31

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static void skip_spaces(const char **text)
{
	while (**text == ' ')
		(*text)++;
}

static bool take(const char **text, char c)
{
	skip_spaces(text);
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool take_number(const char **text, int64_t *ret)
{
	char *end;

	skip_spaces(text);
	if (**text != '-' && **text != '+' && (**text < '0' || **text > '9'))
		return false;
	errno = 0;
	*ret = strtoll(*text, &end, 0);
	if (errno || end == *text)
		return false;
	*text = end;
	return true;
}

static bool x86_register(const char **text, uint8_t *ret)
{
	size_t i, n = 0;

	if (!take(text, '%'))
		return false;
	while (is_name((*text)[n]))
		n++;
	for (i = 0; i < ARRAY_SIZE(x86_registers); i++) {
		if (strlen(x86_registers[i].name) != n ||
		    strncmp(x86_registers[i].name, *text, n) != 0)
			continue;
		*ret = x86_registers[i].word;
		*text += n;
		return true;
	}
	return false;
}

/* The 0 to 3 of a scale of 1, 2, 4 or 8. */
static bool x86_scale(int64_t factor, uint8_t *ret)
{
	for (*ret = 0; *ret < 4; (*ret)++)
		if (factor == 1 << *ret)
			return true;
	return false;
}

/* $NUMBER, %REGISTER, NUMBER(%BASE), NUMBER(%BASE,%INDEX,SCALE). */
static bool x86_operand(const char **text, struct memleak_argument *a)
{
	int64_t factor = 1;

	if (take(text, '$')) {
		a->kind = MEMLEAK_ARGUMENT_CONSTANT;
		return take_number(text, (int64_t *)&a->offset);
	}
	skip_spaces(text);
	if (**text == '%') {
		a->kind = MEMLEAK_ARGUMENT_REGISTER;
		return x86_register(text, &a->base);
	}
	a->kind = MEMLEAK_ARGUMENT_MEMORY;
	if (**text != '(' && !take_number(text, (int64_t *)&a->offset))
		return false;
	if (!take(text, '(') || !x86_register(text, &a->base))
		return false;
	if (take(text, ')'))
		return true;
	if (!take(text, ',') || !x86_register(text, &a->index))
		return false;
	if (take(text, ',') && !take_number(text, &factor))
		return false;
	return x86_scale(factor, &a->scale) && take(text, ')');
}

static bool arm64_register(const char **text, uint8_t *ret)
{
	unsigned int number = 0;
	const char *digits = *text + 1;
	size_t n = 0;

	skip_spaces(text);
	if (strncmp(*text, "sp", 2) == 0 && !is_name((*text)[2])) {
		*ret = ARM64_SP;
		*text += 2;
		return true;
	}
	digits = *text + 1;
	if (**text != 'x' && **text != 'w')
		return false;
	for (; n < 2 && digits[n] >= '0' && digits[n] <= '9'; n++)
		number = number * 10 + (digits[n] - '0');
	if (!n || number > 30 || is_name(digits[n]))
		return false;
	*ret = number;
	*text = digits + n;
	return true;
}

/* NUMBER, REGISTER, [BASE], [BASE, NUMBER], [BASE, INDEX], [BASE, INDEX, lsl NUMBER]. */
static bool arm64_operand(const char **text, struct memleak_argument *a)
{
	int64_t shift = 0;

	a->kind = MEMLEAK_ARGUMENT_CONSTANT;
	if (take_number(text, (int64_t *)&a->offset))
		return true;
	if (!take(text, '[')) {
		a->kind = MEMLEAK_ARGUMENT_REGISTER;
		return arm64_register(text, &a->base);
	}
	a->kind = MEMLEAK_ARGUMENT_MEMORY;
	if (!arm64_register(text, &a->base))
		return false;
	if (take(text, ']'))
		return true;
	if (!take(text, ','))
		return false;
	if (take_number(text, (int64_t *)&a->offset))
		return take(text, ']');
	skip_spaces(text);
	if (**text != 'x' || !arm64_register(text, &a->index))
		return false;
	if (take(text, ',')) {
		skip_spaces(text);
		if (strncmp(*text, "lsl ", 4) != 0)
			return false;
		*text += 4;
		if (!take_number(text, &shift) || shift < 0 || shift > 3)
			return false;
		a->scale = shift;
	}
	return take(text, ']');
}

bool notes__parse_argument(uint16_t machine, const char **text, struct memleak_argument *ret)
{
	struct memleak_argument a = {.index = NO_INDEX};
	int64_t size;

	if (!take_number(text, &size) || !take(text, '@'))
		return false;
	a.is_signed = size < 0;
	if (size < -8)
		return false;
	size = size < 0 ? -size : size;
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return false;
	a.bits = 8 * size;
	if (machine == EM_X86_64 ? !x86_operand(text, &a) : !arm64_operand(text, &a))
		return false;
	if (**text && **text != ' ')
		return false;
	*ret = a;
	return true;
}

/* --- sites --- */

/* One row a note that is known, with the arguments that it must have and may have. */
static const struct kind {
	const char *provider, *name;
	enum notes_kind kind;
	bool own;
	unsigned int least, most;
} kinds[] = {
	{"memleak_bpf", "alloc", NOTES_ALLOC, true, 0, 0},
	{"memleak_bpf", "free", NOTES_FREE, true, 0, 0},
	{"memleak_bpf", "restore", NOTES_RESTORE, true, 0, 0},
	{"memleak_bpf", "map", NOTES_MAP, true, 0, 0},
	{"memleak_bpf", "put4", NOTES_PUT, true, 0, 0},
	{"otel_memory", "alloc", NOTES_ALLOC, false, 2, 3},
	{"otel_memory", "free", NOTES_FREE, false, 1, 1},
};

static const struct kind *kind_of(const struct notes_note *n)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].provider, n->provider) == 0 &&
		    strcmp(kinds[i].name, n->name) == 0)
			return &kinds[i];
	return NULL;
}

static bool parse_arguments(uint16_t machine, const struct kind *kind, const char *text,
			    struct memleak_site_arguments *ret)
{
	unsigned int i;

	for (i = 0; i < kind->most; i++) {
		skip_spaces(&text);
		if (!*text)
			break;
		if (!notes__parse_argument(machine, &text, &ret->list[i]))
			return false;
	}
	return i >= kind->least;
}

/* The site of @n into *@ret; false where something of it is not understood. */
static bool make_site(const struct object *o, const struct kind *kind, const struct notes_note *n,
		      uint64_t base, struct notes_site *ret)
{
	/* Prelink moves a file's addresses, and not those in notes. */
	uint64_t moved = base && n->base ? base - n->base : 0;

	*ret = (struct notes_site){.kind = kind->kind, .own = kind->own};
	if (!object__vaddr_to_offset(o, n->address + moved, &ret->offset))
		return false;
	if (n->semaphore && !object__vaddr_to_offset(o, n->semaphore + moved, &ret->semaphore))
		return false;
	return parse_arguments(o->machine, kind, n->arguments, &ret->arguments);
}

struct sections {
	Elf_Data *notes;
	uint64_t base; /* address of .stapsdt.base; 0: there is none */
};

static void find_sections(Elf *elf, struct sections *ret)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;
		const char *name =
			gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;

		if (!name)
			continue;
		if (strcmp(name, ".stapsdt.base") == 0)
			ret->base = sh.sh_addr;
		else if (strcmp(name, ".note.stapsdt") == 0 && sh.sh_type == SHT_NOTE)
			ret->notes = elf_rawdata(scn, NULL);
	}
}

static void release_sites(notes_sites *s)
{
	vector_release(s);
}

/* Of libmemleak.so's every place has two notes: who knows its own needs no other. */
static void keep_own(notes_sites *sites)
{
	bool own = false;
	size_t i, kept = 0;

	for (i = 0; i < sites->count; i++)
		own |= sites->items[i].own;
	for (i = 0; i < sites->count; i++)
		if (sites->items[i].own == own)
			sites->items[kept++] = sites->items[i];
	sites->count = kept;
}

static bool has_kind(const notes_sites *sites, enum notes_kind kind)
{
	size_t i;

	for (i = 0; i < sites->count; i++)
		if (sites->items[i].kind == kind)
			return true;
	return false;
}

bool notes__place(const struct object *o, const struct notes_site *s, enum placement_nops nops,
		  uint64_t *ret)
{
	/* What <sys/sdt.h> writes, and what may follow it: see user/hook/site_x86_64.S. */
	static const unsigned char x86_nop = 0x90, arm64_nop[] = {0x1f, 0x20, 0x03, 0xd5};
	static const unsigned char nop10[] = {0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0};
	static const unsigned char nop5[] = {0x0f, 0x1f, 0x44, 0, 0};
	unsigned char code[1 + sizeof(nop10) + sizeof(nop5)] = {0};
	bool has_nop10;

	if (pread(o->fd, code, sizeof(code), s->offset) < (ssize_t)sizeof(arm64_nop))
		return false;
	*ret = s->offset;
	if (o->machine == EM_AARCH64)
		return memcmp(code, arm64_nop, sizeof(arm64_nop)) == 0;
	if (code[0] != x86_nop)
		return false;
	has_nop10 = memcmp(code + 1, nop10, sizeof(nop10)) == 0;
	if (nops == PLACEMENT_NOPS_10 && has_nop10)
		*ret += 1;
	/* The call overwrites the red zone, which is known to be empty in our own sites alone. */
	if (nops == PLACEMENT_NOPS_5 && s->own && has_nop10 &&
	    memcmp(code + 1 + sizeof(nop10), nop5, sizeof(nop5)) == 0)
		*ret += 1 + sizeof(nop10);
	return true;
}

int notes__read(const struct object *o, Elf *elf, notes_sites *ret)
{
	CLEANUP(release_sites) notes_sites sites = {0};
	struct sections sections = {0};
	struct notes_note n;
	size_t at = 0;
	int err;

	if (o->machine != EM_X86_64 && o->machine != EM_AARCH64)
		return 0;
	find_sections(elf, &sections);
	while (sections.notes && sections.notes->d_buf && sites.count < NOTES_MAX_SITES &&
	       notes__next(sections.notes->d_buf, sections.notes->d_size, &at, &n)) {
		const struct kind *kind = kind_of(&n);
		struct notes_site site;

		if (!kind)
			continue;
		if (!make_site(o, kind, &n, sections.base, &site)) {
			log_warning("%s: its note of %s:%s is not understood: its sites are not "
				    "used",
				    o->path, kind->provider, kind->name);
			return 0;
		}
		err = vector_push(&sites, site);
		if (err)
			return err;
	}
	keep_own(&sites);
	if (!sites.count)
		return 0;
	if (!has_kind(&sites, NOTES_ALLOC) || !has_kind(&sites, NOTES_FREE)) {
		log_warning("%s: it has sites that tell of allocations or of frees, but not both: "
			    "they are not used",
			    o->path);
		return 0;
	}
	ret->items = sites.items;
	ret->count = sites.count;
	ret->capacity = sites.capacity;
	sites = (notes_sites){0};
	return 0;
}
