// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/calls.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/placement.h"
#include "util/cleanup.h"
#include "util/hash.h"

/* What follows a call of these is not reached from it. */
static const char *const noreturns[] = {
	"__cxa_throw",
	"__cxa_rethrow",
	"__cxa_throw_bad_array_new_length",
	"__cxa_bad_cast",
	"__cxa_call_terminate",
	"_Unwind_Resume",
	"_ZSt9terminatev",
	"_ZSt17__throw_bad_allocv",
	"_ZSt19__throw_logic_errorPKc",
	"_ZSt20__throw_length_errorPKc",
	"_ZSt20__throw_out_of_rangePKc",
	"_ZSt20__throw_system_errori",
	"_ZSt28__throw_bad_array_new_lengthv",
	"__assert_fail",
	"__chk_fail",
	"__stack_chk_fail",
	"abort",
	"exit",
	"_exit",
	"longjmp",
	"siglongjmp",
};

static bool never_returns(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(noreturns); i++)
		if (strcmp(name, noreturns[i]) == 0)
			return true;
	return false;
}

/* --- slots --- */

static bool is_function_slot(uint16_t machine, uint64_t type)
{
	if (machine == EM_X86_64)
		return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
	return machine == EM_AARCH64 && (type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT);
}

/* The slots that one section of relocations fills; its symbols are in section @link. */
static int read_relocations(struct calls *c, Elf *elf, Elf_Data *data, const GElf_Shdr *sh)
{
	size_t i, n = sh->sh_entsize ? data->d_size / sh->sh_entsize : 0;
	Elf_Scn *scn = elf_getscn(elf, sh->sh_link);
	Elf_Data *symbols = scn ? elf_getdata(scn, NULL) : NULL;
	GElf_Shdr symbols_sh;
	int err = 0;

	if (!symbols || !gelf_getshdr(scn, &symbols_sh))
		return 0;
	for (i = 0; i < n && !err; i++) {
		struct calls_slot slot = {0};
		GElf_Rela rela;
		GElf_Sym sym;

		if (!gelf_getrela(data, i, &rela) ||
		    !is_function_slot(c->object->machine, GELF_R_TYPE(rela.r_info)) ||
		    !gelf_getsym(symbols, GELF_R_SYM(rela.r_info), &sym))
			continue;
		slot.vaddr = rela.r_offset;
		slot.target = sym.st_shndx != SHN_UNDEF && GELF_ST_TYPE(sym.st_info) == STT_FUNC
				      ? sym.st_value
				      : 0;
		slot.name = elf_strptr(elf, symbols_sh.sh_link, sym.st_name);
		if (slot.name)
			err = vector_push(&c->slots, slot);
	}
	return err;
}

static int read_noreturns(struct calls *c, Elf *elf, Elf_Data *data, const GElf_Shdr *sh)
{
	size_t i, n = sh->sh_entsize ? data->d_size / sh->sh_entsize : 0;
	int err = 0;

	for (i = 1; i < n && !err; i++) {
		const char *name;
		GElf_Sym sym;

		if (!gelf_getsym(data, i, &sym) || sym.st_shndx == SHN_UNDEF || !sym.st_value)
			continue;
		name = elf_strptr(elf, sh->sh_link, sym.st_name);
		if (name && never_returns(name))
			err = vector_push(&c->noreturns, sym.st_value);
	}
	return err;
}

static int compare_slots(const void *x, const void *y)
{
	const struct calls_slot *a = x, *b = y;

	return (a->vaddr > b->vaddr) - (a->vaddr < b->vaddr);
}

int calls__read(const struct object *o, Elf *elf, struct calls *ret)
{
	Elf_Scn *scn = NULL;
	int err = 0;

	*ret = (struct calls){.object = o};
	while (elf && !err && (scn = elf_nextscn(elf, scn))) {
		Elf_Data *data;
		GElf_Shdr sh;

		if (!gelf_getshdr(scn, &sh))
			continue;
		if (sh.sh_type != SHT_RELA && sh.sh_type != SHT_SYMTAB && sh.sh_type != SHT_DYNSYM)
			continue;
		data = elf_getdata(scn, NULL);
		if (!data)
			continue;
		err = sh.sh_type == SHT_RELA ? read_relocations(ret, elf, data, &sh)
					     : read_noreturns(ret, elf, data, &sh);
	}
	if (ret->slots.count)
		qsort(ret->slots.items, ret->slots.count, sizeof(ret->slots.items[0]),
		      compare_slots);
	return err;
}

void calls__mark(struct calls *c, bool (*is_probed)(void *context, const char *name), void *context)
{
	size_t i;

	for (i = 0; i < c->slots.count; i++)
		c->slots.items[i].probed = is_probed(context, c->slots.items[i].name);
}

void calls__release(struct calls *c)
{
	vector_release(&c->slots);
	vector_release(&c->noreturns);
}

const struct calls_slot *calls__slot(const struct calls *c, uint64_t vaddr)
{
	struct calls_slot key = {.vaddr = vaddr};

	if (!c->slots.count)
		return NULL;
	return bsearch(&key, c->slots.items, c->slots.count, sizeof(key), compare_slots);
}

/* --- stubs --- */

#define STUB_BYTES 16

/* adrp x16, page; ldr x17, [x16, offset] */
static bool arm64_stub_slot(const unsigned char *code, uint64_t vaddr, uint64_t *slot)
{
	uint32_t adrp, ldr;
	int64_t pages;

	memcpy(&adrp, code, sizeof(adrp));
	memcpy(&ldr, code + 4, sizeof(ldr));
	if ((adrp & 0x9f00001f) != 0x90000010 || (ldr & 0xffc003ff) != 0xf9400211)
		return false;
	pages = (int64_t)((uint64_t)(adrp >> 5 & 0x7ffff) << 45) >> 43 | (adrp >> 29 & 3);
	*slot = (vaddr & ~0xfffULL) + pages * 4096 + (ldr >> 10 & 0xfff) * 8;
	return true;
}

const struct calls_slot *calls__stub(const struct calls *c, uint64_t vaddr)
{
	unsigned char code[STUB_BYTES];
	struct placement_step step;
	uint64_t offset, slot;
	size_t at = 0, n;
	ssize_t got;

	if (!object__vaddr_to_offset(c->object, vaddr, &offset))
		return NULL;
	got = pread(c->object->fd, code, sizeof(code), offset);
	if (got < (ssize_t)sizeof(code))
		return NULL;
	n = got;
	if (c->object->machine == EM_AARCH64) {
		at = memcmp(code, "\x5f\x24\x03\xd5", 4) == 0 ? 4 : 0; /* bti c */
		return arm64_stub_slot(code + at, vaddr + at, &slot) ? calls__slot(c, slot) : NULL;
	}
	if (memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0) /* endbr64 */
		at = 4;
	if (!placement__step(c->object->machine, code + at, n - at, &step) ||
	    step.flow != PLACEMENT_FLOW_JUMP_SLOT)
		return NULL;
	return calls__slot(c, vaddr + at + step.target);
}

/* --- returns --- */

#define MAX_INSTRUCTIONS 32768
#define MAX_RETURNS	 256
#define WINDOW		 4096

/* Following the code of one function. */
struct trail {
	const struct calls *calls;
	uint64_t start, end; /* of the function itself */
	bool swept;	     /* all of it is to be followed */
	struct hash seen;    /* (vaddr, 0): instructions */
	VECTOR(uint64_t) todo;
	calls_returns found;
	unsigned char window[WINDOW]; /* code that was read */
	uint64_t window_offset;
	size_t window_size;
};

static void cleanup_trail(struct trail *t)
{
	hash__release(&t->seen);
	vector_release(&t->todo);
	vector_release(&t->found);
}

static bool step_at(struct trail *t, uint64_t offset, struct placement_step *ret)
{
	const struct object *o = t->calls->object;
	uint64_t at = offset - t->window_offset;

	if (offset < t->window_offset || at + STUB_BYTES > t->window_size) {
		ssize_t got = pread(o->fd, t->window, sizeof(t->window), offset);

		if (got <= 0)
			return false;
		t->window_offset = offset;
		t->window_size = got;
		at = 0;
	}
	return placement__step(o->machine, t->window + at, t->window_size - at, ret);
}

static bool is_noreturn(const struct calls *c, uint64_t vaddr, const struct calls_slot *slot)
{
	size_t i;

	if (slot && never_returns(slot->name))
		return true;
	for (i = 0; !slot && i < c->noreturns.count; i++)
		if (c->noreturns.items[i] == vaddr)
			return true;
	return false;
}

/* Go on behind a jump to @vaddr, or through @slot: *@next, 0 where it does not come back. */
static int follow_jump(struct trail *t, uint64_t vaddr, const struct calls_slot *slot,
		       uint64_t *next)
{
	*next = 0;
	if (is_noreturn(t->calls, vaddr, slot))
		return 0;
	if (slot && slot->probed)
		return 0;
	if (slot && !slot->target)
		return -ENOTSUP;
	*next = slot ? slot->target : vaddr;
	return 0;
}

/* A switch: it leads to every instruction of the function, as far as can be seen. */
static int follow_computed(struct trail *t, uint64_t vaddr, uint64_t *next)
{
	struct placement_step step;
	uint64_t offset, at;
	int err = 0;

	*next = 0;
	if (vaddr < t->start || vaddr >= t->end)
		return -ENOTSUP;
	for (at = t->start; at < t->end && !t->swept && !err; at += step.length) {
		if (!object__vaddr_to_offset(t->calls->object, at, &offset) ||
		    !step_at(t, offset, &step))
			return -ENOTSUP;
		err = vector_push(&t->todo, at);
	}
	t->swept = true;
	return err;
}

static int take_step(struct trail *t, uint64_t vaddr, uint64_t offset, uint64_t *next)
{
	const struct calls *c = t->calls;
	struct placement_step step;
	uint64_t target;

	if (!step_at(t, offset, &step))
		return -ENOTSUP;
	target = vaddr + step.target;
	*next = vaddr + step.length;
	switch (step.flow) {
	case PLACEMENT_FLOW_NEXT:
		return 0;
	case PLACEMENT_FLOW_CALL:
		if (is_noreturn(c, target, calls__stub(c, target)))
			*next = 0;
		return 0;
	case PLACEMENT_FLOW_CALL_SLOT:
		if (is_noreturn(c, 0, calls__slot(c, target)))
			*next = 0;
		return 0;
	case PLACEMENT_FLOW_BRANCH:
		return vector_push(&t->todo, target);
	case PLACEMENT_FLOW_JUMP:
		return follow_jump(t, target, calls__stub(c, target), next);
	case PLACEMENT_FLOW_JUMP_SLOT:
		if (!calls__slot(c, target))
			return -ENOTSUP;
		return follow_jump(t, 0, calls__slot(c, target), next);
	case PLACEMENT_FLOW_RETURN:
		*next = 0;
		if (t->found.count == MAX_RETURNS)
			return -ENOTSUP;
		return vector_push(&t->found, offset);
	case PLACEMENT_FLOW_END:
		*next = 0;
		return 0;
	case PLACEMENT_FLOW_COMPUTED:
		return follow_computed(t, vaddr, next);
	}
	return -ENOTSUP;
}

int calls__find_returns(const struct calls *c, uint64_t vaddr, uint64_t size, calls_returns *ret)
{
	CLEANUP(cleanup_trail) struct trail t = {.calls = c, .start = vaddr, .end = vaddr + size};
	uint64_t offset;
	size_t i;
	int err = vector_push(&t.todo, vaddr);

	while (!err && t.todo.count) {
		vaddr = t.todo.items[--t.todo.count];
		while (!err && vaddr && hash__get(&t.seen, vaddr, 0) == HASH_NONE) {
			if (t.seen.count == MAX_INSTRUCTIONS ||
			    !object__vaddr_to_offset(c->object, vaddr, &offset))
				return -ENOTSUP;
			err = hash__set(&t.seen, vaddr, 0, 0);
			if (!err)
				err = take_step(&t, vaddr, offset, &vaddr);
		}
	}
	for (i = 0; i < t.found.count && !err; i++)
		err = vector_push(ret, t.found.items[i]);
	return err;
}
