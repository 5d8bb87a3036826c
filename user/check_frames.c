// SPDX-License-Identifier: GPL-2.0-or-later
#include "check_frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/symbol.h"
#include "unwind/table.h"
#include "unwind/walk.h"
#include "util/cleanup.h"
#include "util/vector.h"

/* What is copied of a stack, from the stack pointer up, and of all. */
#define MAX_STACK  (1UL << 20)
#define MAX_COPIED (64UL << 20)

#define MAX_FRAMES 1024

/* --- tables --- */

struct compiled {
	bool tried;
	struct unwind_table *table; /* NULL: none could be made */
};

struct unwind_tables {
	struct sandbox *sandbox;
	VECTOR(struct compiled) list; /* by number of the file */
};

int unwind_tables__create(struct sandbox *sandbox, struct unwind_tables **ret)
{
	struct unwind_tables *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->sandbox = sandbox;
	*ret = t;
	return 0;
}

void unwind_tables__destroy(struct unwind_tables *t)
{
	size_t i;

	if (!t)
		return;
	for (i = 0; i < t->list.count; i++)
		unwind_table__destroy(t->list.items[i].table);
	vector_release(&t->list);
	free(t);
}

/* That of file @id, *@ret NULL where it has none. 0 or -ENOMEM. */
static int find_table(struct unwind_tables *t, uint32_t id, const struct object *o,
		      const struct unwind_table **ret)
{
	struct symbol_source source = {.fd = o->fd, .path = o->path};
	struct compiled *c;
	int err = 0;

	while (t->list.count <= id && !err)
		err = vector_push(&t->list, (struct compiled){0});
	if (err)
		return err;
	c = &t->list.items[id];
	if (!c->tried && object__is_readable(o))
		err = symbol__compile_table(t->sandbox, &source, &c->table);
	c->tried = true;
	*ret = c->table;
	return err == -ENOMEM ? err : 0;
}

/* --- copies --- */

/* A frame's part of the stack begins at @sp and ends where the next one's does. */
struct placed {
	uint64_t sp;
	struct unwind_regs regs;
};

struct copy {
	struct unwind_regs regs;
	uint64_t addr;
	size_t size;
	char *bytes;
	bool walked, complete; /* the walk, if there was one, came to the outermost frame */
	VECTOR(struct placed) frames;
};

struct frames {
	struct unwind_tables *tables;
	const struct files *files;
	struct memory *memory;
	struct copy *copies; /* by number of the thread */
	size_t nr;
};

void frames__destroy(struct frames *f)
{
	size_t i;

	if (!f)
		return;
	for (i = 0; i < f->nr && f->copies; i++) {
		free(f->copies[i].bytes);
		vector_release(&f->copies[i].frames);
	}
	free(f->copies);
	free(f);
}

static void cleanup_frames(struct frames **f)
{
	frames__destroy(*f);
}

static int copy_stack(struct memory *m, const struct memory_thread *t, uint64_t room,
		      struct copy *ret)
{
	const struct regions *regions = memory__regions(m);
	ssize_t i = regions__find(regions, t->sp);
	uint64_t end;

	ret->regs = (struct unwind_regs){
		.ip = t->ip, .sp = t->sp, .fp = t->fp, .lr = t->lr, .flags = UNWIND_EXACT};
	if (i < 0)
		return 0;
	end = regions->list.items[i].end;
	/* The C library's control block is at the top of the stacks that it makes. */
	if (t->tls > t->sp && t->tls < end)
		end = t->tls;
	room = room < MAX_STACK ? room : MAX_STACK;
	ret->addr = t->sp;
	ret->size = end - t->sp < room ? end - t->sp : room;
	ret->bytes = malloc(ret->size + 1);
	if (!ret->bytes)
		return -ENOMEM;
	ret->size = memory__read(m, ret->addr, ret->bytes, ret->size);
	return 0;
}

int frames__create(struct unwind_tables *tables, const struct files *files, struct memory *m,
		   const struct memory_thread *threads, size_t nr, struct frames **ret)
{
	CLEANUP(cleanup_frames) struct frames *f = calloc(1, sizeof(*f));
	uint64_t copied = 0;
	size_t i;
	int err = 0;

	if (!f)
		return -ENOMEM;
	f->tables = tables;
	f->files = files;
	f->memory = m;
	f->nr = nr;
	f->copies = calloc(nr + 1, sizeof(*f->copies));
	if (!f->copies)
		return -ENOMEM;
	for (i = 0; i < nr && !err; i++) {
		err = copy_stack(m, &threads[i], MAX_COPIED - copied, &f->copies[i]);
		copied += f->copies[i].size;
	}
	if (err)
		return err;
	*ret = TAKE_PTR(f);
	return 0;
}

/* --- walks --- */

/* The code at @pc: its file's number, or 0, and the offset there. */
static uint32_t find_code(const struct frames *f, uint64_t pc, uint64_t *offset)
{
	const struct regions *regions = memory__regions(f->memory);
	ssize_t i = regions__find(regions, pc);
	const struct region *r = i < 0 ? NULL : &regions->list.items[i];

	if (!r || !r->executable || !r->inode || !r->name)
		return 0;
	*offset = pc - r->start + r->offset;
	return files__find(f->files, r->name, r->inode);
}

struct walk {
	struct frames *frames;
	const struct copy *copy;
};

/* Of the stack the copy; code is what it was. */
static int read_copy(void *context, void *to, uint32_t size, uint64_t addr)
{
	const struct walk *w = context;
	const struct copy *c = w->copy;
	uint64_t offset;

	if (addr >= c->addr && size <= c->size && addr - c->addr <= c->size - size) {
		memcpy(to, c->bytes + (addr - c->addr), size);
		return 0;
	}
	return find_code(w->frames, addr, &offset) &&
			       memory__read(w->frames->memory, addr, to, size) == size
		       ? 0
		       : -EFAULT;
}

static int find_rule(void *context, uint64_t pc, struct unwind_rule *ret)
{
	const struct walk *w = context;
	const struct unwind_table *table = NULL;
	uint64_t offset;
	uint32_t id = find_code(w->frames, pc, &offset);
	int err;

	if (!id)
		return 1;
	err = find_table(w->frames->tables, id, files__get(w->frames->files, id)->object, &table);
	if (err)
		return err;
	*ret = table ? *unwind_table__find(table, offset)
		     : (struct unwind_rule){.cfa = UNWIND_CFA_GAP};
	return 0;
}

static int walk_stack(struct frames *f, struct copy *c)
{
	struct walk w = {f, c};
	struct unwind_world world = {&w, read_copy, find_rule};
	struct unwind_regs regs = c->regs;
	int result = UNWIND_STEPPED, err = 0;

	while (result == UNWIND_STEPPED && c->frames.count < MAX_FRAMES && !err) {
		err = vector_push(&c->frames, ((struct placed){regs.sp, regs}));
		result = err ? err : unwind_walk__step(&world, &regs);
	}
	c->complete = UNWIND_IS_COMPLETE(result);
	c->walked = true;
	return result < 0 ? result : 0;
}

/* The frame of @c that holds @place; NULL where none does. */
static const struct placed *find_frame(const struct copy *c, uint64_t place)
{
	size_t i, n = c->frames.count;

	/* Below the stack pointer is the red zone. */
	if (n && place < c->frames.items[0].sp)
		return &c->frames.items[0];
	for (i = 0; i < n; i++) {
		bool last = i + 1 == n;

		if (place >= c->frames.items[i].sp &&
		    (last ? c->complete : place < c->frames.items[i + 1].sp))
			return &c->frames.items[i];
	}
	return NULL;
}

int frames__find(struct frames *f, size_t thread, uint64_t place, struct frame *ret)
{
	struct copy *c = &f->copies[thread];
	const struct placed *frame;
	const struct file *file;
	uint64_t offset;
	int err = c->bytes && !c->walked ? walk_stack(f, c) : 0;

	frame = err ? NULL : find_frame(c, place);
	if (!frame)
		return err ? err : 1;
	*ret = (struct frame){.interrupted = frame->regs.flags & UNWIND_EXACT};
	ret->file = find_code(f, frame->regs.ip, &offset);
	file = ret->file ? files__get(f->files, ret->file) : NULL;
	return file && object__offset_to_vaddr(file->object, offset, &ret->pc) ? 0 : 1;
}
