// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/share.h"

#include <string.h>

static bool is_heap(const struct allocator_function *f)
{
	return f->family < MEMLEAK_FAMILY_USER && f->family != MEMLEAK_FAMILY_MMAP &&
	       f->call != MEMLEAK_CALL_LIBRARIES;
}

static bool defines(const struct allocator *a, const char *name)
{
	size_t i;

	for (i = 0; i < a->functions.count; i++)
		if (a->functions.items[i].plain && strcmp(a->functions.items[i].name, name) == 0)
			return true;
	return false;
}

bool share__is_probed(const struct share *share, const struct allocator_function *f)
{
	if (f->call == MEMLEAK_CALL_LIBRARIES || f->family >= MEMLEAK_FAMILY_USER)
		return true;
	if (share->sites && is_heap(f))
		return false;
	return !share->in_front || !f->plain || !defines(share->in_front, f->name);
}

bool share__is_behind(const struct share *share, const struct file *file)
{
	struct share without = *share;
	size_t i;

	without.in_front = NULL;
	for (i = 0; i < file->allocator.functions.count; i++) {
		const struct allocator_function *f = &file->allocator.functions.items[i];

		if (share__is_probed(&without, f) != share__is_probed(share, f))
			return true;
	}
	return false;
}

void share__choose(const struct share_process *p, uint32_t id, const struct file *file,
		   struct share *ret)
{
	const struct allocator *a = &file->allocator;
	const struct file *hook;

	*ret = (struct share){.mixed = true};
	if (!p) {
		/* Not every process has libmemleak.so: it is an allocator like others here. */
		ret->sites = a->sites.count && !a->is_hook;
		return;
	}
	hook = p->hook ? files__get(p->files, p->hook) : NULL;
	ret->mixed = p->mixed;
	ret->alone = p->alone && id == p->hook;
	ret->drawn = p->drawn;
	ret->guarded = hook && !p->unseen;
	ret->sites = a->sites.count && (a->is_hook ? id == p->hook : !p->sanitized);
	if (hook && (id == p->hook || id != p->exe))
		ret->in_front = &hook->allocator;
}

/* Whether @file has allocating functions of the heap with probes of their own. */
static bool probes_heap(const struct share_process *p, uint32_t id, const struct file *file)
{
	struct share share;
	size_t i;

	share__choose(p, id, file, &share);
	for (i = 0; i < file->allocator.functions.count; i++) {
		const struct allocator_function *f = &file->allocator.functions.items[i];

		if (f->family != MEMLEAK_FAMILY_MMAP && f->call != MEMLEAK_CALL_FREE &&
		    f->call != MEMLEAK_CALL_NEW && f->call != MEMLEAK_CALL_DELETE &&
		    f->call != MEMLEAK_CALL_LIBRARIES && share__is_probed(&share, f))
			return true;
	}
	return false;
}

/* Whether @file tells of what is none of mappings, by other ways than the hook's sites. */
static bool tells_too(const struct share_process *p, uint32_t id, const struct file *file)
{
	struct share share;
	size_t i;

	share__choose(p, id, file, &share);
	if (share.sites && id != p->hook)
		return true;
	for (i = 0; i < file->allocator.functions.count; i++) {
		const struct allocator_function *f = &file->allocator.functions.items[i];

		if (f->family != MEMLEAK_FAMILY_MMAP && f->call != MEMLEAK_CALL_LIBRARIES &&
		    share__is_probed(&share, f))
			return true;
	}
	return false;
}

/* Whether the heap has functions that are neither probed nor called through the hook alone. */
static bool hides_heap(const struct share_process *p, uint32_t id, const struct file *file)
{
	struct share share;
	size_t i;

	share__choose(p, id, file, &share);
	for (i = 0; i < file->allocator.functions.count; i++) {
		const struct allocator_function *f = &file->allocator.functions.items[i];

		if (f->by_other && is_heap(f) && !share__is_probed(&share, f))
			return true;
	}
	return false;
}

void share__look(const struct files *files, const struct memleak_vma *vmas, size_t n,
		 struct share_process *ret)
{
	size_t i;

	*ret = (struct share_process){.files = files};
	for (i = 0; i < n; i++) {
		const struct file *f = files__get(files, vmas[i].mapping.file);

		if (!f)
			continue;
		if (vmas[i].is_exe)
			ret->exe = vmas[i].mapping.file;
		if (f->allocator.is_hook && !ret->hook)
			ret->hook = vmas[i].mapping.file;
		ret->sanitized |= f->allocator.is_sanitizer;
	}
	if (ret->sanitized)
		ret->hook = 0;
	ret->alone = ret->hook != 0;
	for (i = 0; i < n; i++) {
		const struct file *f = files__get(files, vmas[i].mapping.file);

		ret->alone &= !f || !tells_too(ret, vmas[i].mapping.file, f);
		ret->mixed |= f && probes_heap(ret, vmas[i].mapping.file, f);
		ret->unseen |= f && hides_heap(ret, vmas[i].mapping.file, f);
	}
}
