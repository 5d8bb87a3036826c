// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/cfi.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#include "unwind/cfi_program.h"
#include "util/cleanup.h"

/*
 * The section is hostile. What keeps the work linear in its size, but for sorting:
 *  - a CIE's program runs once, when the CIE is read, not once for each of its FDEs;
 *  - FDEs are sorted and cut where the next one begins, and each runs once;
 *  - an instruction takes constant time, but for skipping over its operands;
 *  - FDEs find their CIE by binary search.
 */

struct fde {
	uint64_t offset; /* of the code, in the file */
	uint64_t addr;
	uint64_t size; /* up to the end of the code or of its segment; not 0 */
	uint32_t cie;
	uint32_t at, end; /* of the program, in the section */
};

/* Real sections take 9 or more: room for all rows at once, so that they are not copied. */
#define BYTES_PER_ROW 8

struct parser {
	const struct cfi_input *in;
	VECTOR(struct cfi_cie) cies; /* sorted by place */
	VECTOR(struct fde) fdes;
	struct cfi_counts *counts;
};

static void parser__release(struct parser *p)
{
	vector_release(&p->cies);
	vector_release(&p->fdes);
}

/* An entry of the section. */
struct entry {
	uint64_t at;	    /* in the section */
	struct cursor body; /* behind the identifier */
	uint64_t id;	    /* CIE: what the format marks it by; FDE: how it names its CIE */
	uint64_t id_at;	    /* place of the identifier */
	bool is_cie;
};

static uint64_t place_of(const struct parser *p, const struct cursor *c)
{
	return c->at - p->in->section.data;
}

static uint64_t addr_of(const struct parser *p, const struct cursor *c)
{
	return p->in->section.addr + place_of(p, c);
}

uint64_t cfi__pointer(struct cursor *c, uint8_t encoding, uint64_t addr)
{
	uint64_t value = 0;

	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		value = cursor__u64(c);
		break;
	case DW_EH_PE_uleb128:
		value = cursor__uleb(c);
		break;
	case DW_EH_PE_sleb128:
		value = cursor__sleb(c);
		break;
	case DW_EH_PE_udata2:
		value = cursor__u16(c);
		break;
	case DW_EH_PE_sdata2:
		value = (int16_t)cursor__u16(c);
		break;
	case DW_EH_PE_udata4:
		value = cursor__u32(c);
		break;
	case DW_EH_PE_sdata4:
		value = (int32_t)cursor__u32(c);
		break;
	default:
		cursor__fail(c);
	}
	switch (encoding & 0xf0) {
	case DW_EH_PE_absptr:
		return value;
	case DW_EH_PE_pcrel:
		return value + addr;
	default:
		cursor__fail(c);
		return 0;
	}
}

/* Read one entry. False at the end of what can be read; *@bad then says whether that is damage. */
static bool take_entry(const struct parser *p, struct cursor *c, struct entry *e, bool *bad)
{
	bool is_eh = p->in->format != CFI_DEBUG_FRAME, is_wide;
	uint64_t length;

	*bad = false;
	do {
		if (c->at == c->end)
			return false;
		e->at = place_of(p, c);
		length = cursor__u32(c);
		/* A terminator; where the section is known, what a linker put behind it counts. */
		if (!length && p->in->format == CFI_EH_FRAME_UNSIZED)
			return false;
	} while (!length && !c->bad);
	is_wide = length == UINT32_MAX;
	if (is_wide)
		length = cursor__u64(c);
	e->body = cursor__take(c, length);
	e->id_at = place_of(p, &e->body);
	/* .eh_frame: four bytes always (LSB 5.0 Core, 10.6.1) */
	e->id = is_wide && !is_eh ? cursor__u64(&e->body) : cursor__u32(&e->body);
	if (is_eh)
		e->is_cie = e->id == 0;
	else
		e->is_cie = e->id == (is_wide ? UINT64_MAX : UINT32_MAX);
	/* An entry too short for its identifier makes all that follows doubtful. */
	*bad = c->bad || e->body.bad;
	return !*bad;
}

/* --- CIEs --- */

/* The augmentation: letters that say what the data behind the return column is. */
static bool read_augmentation(const struct parser *p, struct cursor *c, const char *letters,
			      struct cfi_cie *cie)
{
	struct cursor data;

	if (*letters == '\0')
		return true;
	if (*letters++ != 'z')
		return false; /* without a length nobody can tell where the program begins */
	cie->has_augmentation = true;
	data = cursor__take(c, cursor__uleb(c));
	for (; *letters && !data.bad; letters++) {
		uint8_t encoding;

		switch (*letters) {
		case 'R':
			cie->encoding = cursor__u8(&data);
			break;
		case 'S':
			cie->is_signal = true;
			break;
		case 'L':
			cursor__u8(&data);
			break;
		case 'P': /* the personality may be indirect: only its size counts */
			encoding = cursor__u8(&data);
			cfi__pointer(&data, encoding & 0x0f, addr_of(p, &data));
			break;
		case 'B': /* arm64: signed with the B key */
		case 'G': /* arm64: memory tags */
			break;
		default: /* what follows is unknown, but its length is not */
			return !c->bad;
		}
	}
	return !c->bad && !data.bad;
}

static bool read_cie(const struct parser *p, struct cursor *c, struct cfi_cie *cie)
{
	uint8_t version = cursor__u8(c);
	const char *letters = (const char *)c->at;
	const uint8_t *end = memchr(letters, '\0', cursor__left(c));
	struct cfi_program program;
	uint64_t ra;

	if ((version != 1 && version != 3 && version != 4) || !end)
		return false;
	c->at = end + 1;
	if (version == 4 && (cursor__u8(c) != 8 || cursor__u8(c) != 0))
		return false; /* size of an address, of a segment selector */
	cie->code_align = cursor__uleb(c);
	cie->data_align = cursor__sleb(c);
	ra = version == 1 ? cursor__u8(c) : cursor__uleb(c);
	cie->ra = ra < UINT16_MAX ? ra : UINT16_MAX;
	cie->encoding = DW_EH_PE_absptr;
	if (!read_augmentation(p, c, letters, cie) || c->bad)
		return false;
	program = (struct cfi_program){
		.arch = p->in->arch, .cie = cie, .code = *c, .code_addr = addr_of(p, c)};
	return cfi_program__initial(&program, &cie->initial);
}

static int read_cies(struct parser *p)
{
	const struct elf_bytes *s = &p->in->section;
	struct cursor c = {.at = s->data, .end = s->data + s->size};
	struct entry e;
	bool bad;

	while (take_entry(p, &c, &e, &bad)) {
		struct cfi_cie cie = {.at = e.at};
		int err;

		if (!e.is_cie)
			continue;
		if (p->cies.count == CFI_MAX_CIES)
			return -EFBIG;
		cie.bad = !read_cie(p, &e.body, &cie);
		err = vector_push(&p->cies, cie);
		if (err)
			return err;
	}
	p->counts->bad += bad;
	return 0;
}

/* The number of the CIE at @at in the section; @guess is looked at first. */
static bool find_cie(const struct parser *p, uint64_t at, uint32_t guess, uint32_t *ret)
{
	size_t low = 0, high = p->cies.count;

	if (guess < high && p->cies.items[guess].at == at) {
		*ret = guess;
		return true;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->cies.items[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return low < p->cies.count && p->cies.items[low].at == at;
}

/* --- FDEs --- */

/* Place the function in the file; false where it is not in code, or empty. */
static bool locate(const struct cfi_input *in, struct fde *f)
{
	size_t i;

	for (i = 0; i < in->nr_code; i++) {
		const struct elf_code *code = &in->code[i];
		uint64_t skip = f->addr - code->addr;

		if (f->addr < code->addr || skip >= code->size)
			continue;
		f->offset = code->offset + skip;
		if (f->size > code->size - skip)
			f->size = code->size - skip;
		return f->size != 0;
	}
	return false;
}

/* Read an FDE, which goes to the list if it has code. 0, -EINVAL (damaged), -ENOMEM, -EFBIG. */
static int read_fde(struct parser *p, struct entry *e, uint32_t *guess)
{
	bool is_eh = p->in->format != CFI_DEBUG_FRAME;
	struct cursor *c = &e->body;
	const struct cfi_cie *cie;
	struct fde f;

	if (is_eh && e->id > e->id_at)
		return -EINVAL;
	if (!find_cie(p, is_eh ? e->id_at - e->id : e->id, *guess, &f.cie))
		return -EINVAL;
	*guess = f.cie;
	cie = &p->cies.items[f.cie];
	if (cie->bad)
		return -EINVAL;
	f.addr = cfi__pointer(c, cie->encoding, addr_of(p, c));
	f.size = cfi__pointer(c, cie->encoding & 0x07, 0); /* a length has no sign */
	if (cie->has_augmentation)
		cursor__skip(c, cursor__uleb(c));
	if (c->bad)
		return -EINVAL;
	if (!locate(p->in, &f))
		return 0;
	f.at = place_of(p, c);
	f.end = f.at + cursor__left(c);
	if (p->fdes.count == CFI_MAX_FDES)
		return -EFBIG;
	return vector_push(&p->fdes, f);
}

static int read_fdes(struct parser *p)
{
	const struct elf_bytes *s = &p->in->section;
	struct cursor c = {.at = s->data, .end = s->data + s->size};
	uint32_t guess = 0;
	struct entry e;
	bool bad;

	while (take_entry(p, &c, &e, &bad)) {
		int err;

		if (e.is_cie)
			continue;
		err = read_fde(p, &e, &guess);
		if (err == -EINVAL)
			p->counts->bad++;
		else if (err)
			return err;
	}
	p->counts->fdes += p->fdes.count;
	return 0;
}

/* By place; of those that begin together the longest one last, and then the one written first. */
static int compare_fdes(const void *a, const void *b)
{
	const struct fde *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x->at > y->at ? -1 : 1;
}

static void sort_fdes(struct parser *p)
{
	size_t i;

	for (i = 1; i < p->fdes.count; i++) {
		if (compare_fdes(&p->fdes.items[i - 1], &p->fdes.items[i]) > 0) {
			qsort(p->fdes.items, p->fdes.count, sizeof(struct fde), compare_fdes);
			return;
		}
	}
}

/* --- rows --- */

struct emitter {
	const struct parser *p;
	struct rule_set *rules;
	const struct fde *fde;
	struct cfi_rows rows;
};

static void emitter__release(struct emitter *e)
{
	cfi_rows__release(&e->rows);
}

/* A later row at the same place replaces the earlier one; one that changes nothing is left out. */
static int push_row(struct cfi_rows *rows, uint64_t offset, uint32_t rule)
{
	if (rows->v.count && rows->v.items[rows->v.count - 1].offset == offset)
		rows->v.count--;
	if (rows->v.count && rows->v.items[rows->v.count - 1].rule == rule)
		return 0;
	if (rows->v.count == CFI_MAX_ROWS)
		return -EFBIG;
	return vector_push(&rows->v, (struct cfi_row){.offset = offset, .rule = rule});
}

static int emit_row(void *ctx, uint64_t addr, const struct cfi_state *state)
{
	struct emitter *e = ctx;
	const struct fde *f = e->fde;
	const struct cfi_input *in = e->p->in;
	struct unwind_rule rule = cfi_state__rule(state, in->arch, &e->p->cies.items[f->cie]);

	return push_row(&e->rows, f->offset + (addr - f->addr), rule_set__index(e->rules, &rule));
}

/* The rows of one function, up to @end bytes after its beginning. */
static int emit_fde(struct emitter *e, const struct fde *f, uint64_t size)
{
	const struct elf_bytes *s = &e->p->in->section;
	struct cfi_program program = {
		.arch = e->p->in->arch,
		.cie = &e->p->cies.items[f->cie],
		.code = {.at = s->data + f->at, .end = s->data + f->end},
		.code_addr = s->addr + f->at,
		.addr = f->addr,
		.end = f->addr + size,
	};
	uint64_t bad;
	int err;

	e->fde = f;
	err = cfi_program__run(&program, emit_row, e, &bad);
	if (err != -EINVAL)
		return err;
	e->p->counts->bad++;
	return push_row(&e->rows, f->offset + (bad - f->addr), UNWIND_RULE_INVALID);
}

static int emit_all(struct emitter *e)
{
	const struct fde *fdes = e->p->fdes.items;
	size_t n = e->p->fdes.count, i;

	for (i = 0; i < n; i++) {
		uint64_t size = fdes[i].size;
		int err;

		if (i + 1 < n && fdes[i + 1].offset - fdes[i].offset < size)
			size = fdes[i + 1].offset - fdes[i].offset;
		if (!size)
			continue; /* another one begins here */
		err = emit_fde(e, &fdes[i], size);
		if (err)
			return err;
		err = push_row(&e->rows, fdes[i].offset + size, UNWIND_RULE_GAP);
		if (err)
			return err;
	}
	return 0;
}

int cfi__rows(const struct cfi_input *in, struct rule_set *rules, struct cfi_counts *counts,
	      struct cfi_rows *ret)
{
	struct parser p CLEANUP(parser__release) = {.in = in, .counts = counts};
	struct emitter e CLEANUP(emitter__release) = {.p = &p, .rules = rules};
	int err;

	if (in->section.size > ELF_SECTION_LIMIT)
		return -EFBIG;
	err = read_cies(&p);
	if (!err)
		err = read_fdes(&p);
	if (err)
		return err;
	sort_fdes(&p);
	err = vector_reserve(&e.rows.v, in->section.size / BYTES_PER_ROW + 1);
	if (!err)
		err = emit_all(&e);
	if (err)
		return err;
	*ret = e.rows;
	e.rows = (struct cfi_rows){0};
	return 0;
}

int cfi_rows__merge(const struct cfi_rows *first, const struct cfi_rows *second,
		    struct cfi_rows *ret)
{
	struct cfi_rows merged CLEANUP(cfi_rows__release) = {0};
	uint32_t rule[2] = {UNWIND_RULE_GAP, UNWIND_RULE_GAP};
	size_t at[2] = {0, 0};
	int err = vector_reserve(&merged.v, first->v.count + second->v.count);

	if (err)
		return err;
	while (at[0] < first->v.count || at[1] < second->v.count) {
		uint64_t a = at[0] < first->v.count ? first->v.items[at[0]].offset : UINT64_MAX;
		uint64_t b = at[1] < second->v.count ? second->v.items[at[1]].offset : UINT64_MAX;
		uint64_t offset = a < b ? a : b;

		if (a == offset && at[0] < first->v.count)
			rule[0] = first->v.items[at[0]++].rule;
		if (b == offset && at[1] < second->v.count)
			rule[1] = second->v.items[at[1]++].rule;
		err = push_row(&merged, offset, rule[0] == UNWIND_RULE_GAP ? rule[1] : rule[0]);
		if (err)
			return err;
	}
	*ret = merged;
	merged = (struct cfi_rows){0};
	return 0;
}

bool cfi__find_eh_frame(const struct elf_bytes *hdr, uint64_t *addr)
{
	struct cursor c = {.at = hdr->data, .end = hdr->data + hdr->size};
	uint8_t version = cursor__u8(&c), encoding = cursor__u8(&c);
	uint64_t value;

	cursor__skip(&c, 2); /* the encodings of the search table */
	value = cfi__pointer(&c, encoding, hdr->addr + 4);
	if (c.bad || version != 1)
		return false;
	*addr = value;
	return true;
}
