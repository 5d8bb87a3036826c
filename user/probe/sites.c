// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/sites.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "bpf/deferred.h"
#include "probe/loader.h"
#include "util/log.h"

void sites__release(struct sites *s)
{
	vector_release(&s->specs);
}

/* The number, from 1, of @arguments in the kernel's table, or -errno. */
static int find_spec(struct sites *s, const struct memleak_site_arguments *arguments)
{
	uint32_t i;
	int err;

	for (i = 0; i < s->specs.count; i++)
		if (memcmp(&s->specs.items[i], arguments, sizeof(*arguments)) == 0)
			return i + 1;
	if (i == MEMLEAK_MAX_SITE_SPECS)
		return -ENOSPC;
	if (bpf_map_update_elem(s->arguments_fd, &i, arguments, BPF_ANY))
		return -errno;
	err = vector_push(&s->specs, *arguments);
	return err ? err : (int)i + 1;
}

static bool has_site(const struct file *file, enum notes_kind kind)
{
	size_t i;

	for (i = 0; i < file->allocator.sites.count; i++)
		if (file->allocator.sites.items[i].kind == kind)
			return true;
	return false;
}

int sites__choose(struct sites *s, const struct file *file, const struct share *share,
		  enum notes_kind kind, struct places *ret)
{
	const notes_sites *sites = &file->allocator.sites;
	uint32_t flags = (share->mixed ? MEMLEAK_SITE_MIXED : 0) |
			 (share->guarded ? MEMLEAK_SITE_GUARDED : 0);
	size_t i;
	int err;

	for (i = 0; i < sites->count; i++) {
		const struct notes_site *site = &sites->items[i];
		uint64_t offset;
		int spec = 0;

		if (site->kind != kind)
			continue;
		if (!notes__place(file->object, site, s->nops, &offset)) {
			log_warning(
				"%s: a note says that there is a site at 0x%llx, where there is "
				"none",
				file->object->path, (unsigned long long)site->offset);
			return -EINVAL;
		}
		if (!site->own)
			spec = find_spec(s, &site->arguments);
		if (spec < 0)
			return spec;
		err = places__add(ret, offset, MEMLEAK_SITE_COOKIE(spec, flags), site->semaphore);
		if (err)
			return err;
	}
	return 0;
}

/* Tables that few blocks fill have no room for what is freed and not told of. */
#define DEFERRING_MIN_BLOCKS (16 * MEMLEAK_CELLS)

/* Whether the kernel side leaves out a part of what the sites tell of. */
static bool leaves_out(const struct probe_options *o, const struct share *share)
{
	if (share->drawn && o->sample.rate == 1)
		return o->min_size || o->max_size != UINT64_MAX;
	return loader__is_partial(o);
}

bool sites__may_defer(struct sites *s, const struct file *file, const struct share *share)
{
	const struct probe_options *o = s->options;

	if (!share->alone || !share->sites || !has_site(file, NOTES_PUT) || o->trace || o->sites ||
	    leaves_out(o, share) || o->max_blocks < DEFERRING_MIN_BLOCKS)
		return false;
	if (!s->sees_end)
		s->sees_end = loader__sees_end() ? 1 : -1;
	return s->sees_end > 0;
}
