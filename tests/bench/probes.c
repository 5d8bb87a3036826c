// SPDX-License-Identifier: GPL-2.0-or-later
#include "probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "probe/link.h"
#include "target/allocator.h"
#include "target/object.h"
#include "target/placement.h"
#include "tests/bench/empty.skel.h"
#include "util/cleanup.h"

struct probes {
	struct empty *skeleton;
	bool session;
	VECTOR(int) links;
};

static void destroy_object(struct object **o)
{
	object__destroy(*o);
}

/* Both places of one function. */
static int find_place(const struct object *o, const struct allocator_function *f, uint64_t *chosen,
		      uint64_t *first)
{
	struct placement p;
	int err = placement__choose(o, f->offset, f->size, placement__nops(), &p);

	if (err)
		return err;
	*chosen = p.offset;
	*first = f->offset;
	return 0;
}

int probes__find_places(int fd, const char *path, struct probes_places ret[PROBES_WHERES])
{
	CLEANUP(destroy_object) struct object *o = NULL;
	CLEANUP(allocator__release) struct allocator a = {0};
	const struct allocator_search search = {0};
	struct probes_places chosen = {0}, first = {0};
	int err = fd = dup(fd);
	size_t i;

	if (fd < 0)
		return -errno;
	err = object__create(fd, path, &o);
	if (!err)
		err = allocator__find(o, &search, &a);
	for (i = 0; i < a.functions.count && !err; i++) {
		const struct allocator_function *f = &a.functions.items[i];

		if (!strcmp(f->name, "malloc"))
			err = find_place(o, f, &chosen.malloc, &first.malloc);
		else if (!strcmp(f->name, "free"))
			err = find_place(o, f, &chosen.free, &first.free);
	}
	if (err)
		return err;
	if (!chosen.malloc || !chosen.free)
		return -ENOENT;
	ret[PROBES_CHOSEN] = chosen;
	ret[PROBES_FIRST] = first;
	return 0;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* Load for session links or for those without. */
static int load(bool session, struct empty **ret)
{
	struct empty *s = empty__open();
	struct bpf_program *p;
	int err;

	if (!s)
		return -errno;
	s->rodata->session = session;
	bpf_object__for_each_program(p, s->obj) bpf_program__set_expected_attach_type(
		p, session && p != s->progs.empty_entry ? LINK_TRACE_UPROBE_SESSION
							: LINK_TRACE_UPROBE_MULTI);
	err = empty__load(s);
	if (!err && session &&
	    !link__is_supported(bpf_program__fd(s->progs.empty), LINK_TRACE_UPROBE_SESSION))
		err = -ENOTSUP;
	if (err) {
		empty__destroy(s);
		return err;
	}
	*ret = s;
	return 0;
}

int probes__create(struct probes **ret)
{
	CLEANUP_FREE struct probes *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	libbpf_set_print(quiet);
	p->session = true;
	err = load(true, &p->skeleton);
	if (err && err != -EPERM) {
		p->session = false;
		err = load(false, &p->skeleton);
	}
	if (err)
		return err;
	*ret = TAKE_PTR(p);
	return 0;
}

void probes__destroy(struct probes *p)
{
	size_t i;

	if (!p)
		return;
	for (i = 0; i < p->links.count; i++)
		close(p->links.items[i]);
	vector_release(&p->links);
	empty__destroy(p->skeleton);
	free(p);
}

bool probes__have_session(const struct probes *p)
{
	return p->session;
}

static int keep_link(struct probes *p, int fd)
{
	int err = fd < 0 ? fd : vector_push(&p->links, fd);

	if (err && fd >= 0)
		close(fd);
	return err;
}

static int link_one(struct probes *p, const struct bpf_program *prog, uint32_t type, int fd,
		    uint64_t place, bool at_return)
{
	uint64_t cookie = 0;
	struct link_request r = {.file_fd = fd, .offsets = &place, .cookies = &cookie, .count = 1};

	return keep_link(p, link__multi(bpf_program__fd(prog), type, &r, at_return));
}

static int link_entry(struct probes *p, int fd, uint64_t place)
{
	return link_one(p, p->skeleton->progs.empty_entry, LINK_TRACE_UPROBE_MULTI, fd, place,
			false);
}

/* @prog at the entry and the return of malloc. */
static int link_both(struct probes *p, const struct bpf_program *prog, int fd, uint64_t place)
{
	int err;

	if (p->session)
		return link_one(p, prog, LINK_TRACE_UPROBE_SESSION, fd, place, false);
	err = link_one(p, prog, LINK_TRACE_UPROBE_MULTI, fd, place, true);
	return err ? err : link_entry(p, fd, place);
}

int probes__attach(struct probes *p, enum probes_kind kind, int fd,
		   const struct probes_places *places)
{
	const struct bpf_program *const programs[PROBES_KINDS] = {
		[PROBES_SESSION] = p->skeleton->progs.empty,
		[PROBES_STACKID] = p->skeleton->progs.stackid,
		[PROBES_STACK_20] = p->skeleton->progs.stack_20,
		[PROBES_STACK_127] = p->skeleton->progs.stack_127,
	};
	int err;

	if (kind == PROBES_NONE)
		return 0;
	if (kind == PROBES_ENTRY)
		err = link_entry(p, fd, places->malloc);
	else
		err = link_both(p, programs[kind], fd, places->malloc);
	if (!err && (kind == PROBES_ENTRY || kind == PROBES_SESSION))
		err = link_entry(p, fd, places->free);
	return err;
}
