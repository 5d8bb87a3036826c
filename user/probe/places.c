// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/places.h"

#include <stdio.h>
#include <string.h>

#include "bpf/memleak.h"
#include "util/log.h"

void placements__release(struct placements *p)
{
	vector_release(&p->list);
}

int placements__choose(const struct file *file, enum placement_nops nops, struct placements *ret)
{
	const struct allocator *a = &file->allocator;
	size_t i;
	int err = 0;

	for (i = 0; i < a->functions.count && !err; i++) {
		const struct allocator_function *f = &a->functions.items[i];
		/* A distance counts from the first instruction; without a size it is kept. */
		uint64_t size = f->call == MEMLEAK_CALL_LIBRARIES ? 0 : f->size;
		struct placement p;

		err = placement__choose(file->object, f->offset, size, nops, &p);
		if (!err)
			err = vector_push(&ret->list, p);
	}
	return err;
}

bool placements__log(const struct placements *p, const struct file *file)
{
	const char *slash = strrchr(file->object->path, '/');
	const char *name = slash ? slash + 1 : file->object->path;
	char line[1024] = "";
	size_t length = 0;
	bool has_gaps = false;
	size_t i;

	for (i = 0; i < p->list.count; i++) {
		const struct allocator_function *f = &file->allocator.functions.items[i];
		const struct placement *at = &p->list.items[i];
		char place[192];

		if (at->cost == PLACEMENT_REFUSED) {
			has_gaps = true;
			log_warning("%s: %s cannot be probed (the kernel refuses its first "
				    "instruction): its calls are not seen",
				    file->object->path, f->name);
			continue;
		}
		placement__describe(at, f->offset, place, sizeof(place));
		length += snprintf(line + length, sizeof(line) - length, "%s%s%s",
				   length ? ", " : "", f->name, place);
		if (length > sizeof(line) * 3 / 4) {
			log_info("%s: %s", name, line);
			length = 0;
		}
	}
	if (length)
		log_info("%s: %s", name, line);
	return has_gaps;
}

void places__release(struct places *places)
{
	vector_release(&places->offsets);
	vector_release(&places->cookies);
	vector_release(&places->semaphores);
}

int places__add(struct places *places, uint64_t offset, uint64_t cookie, uint64_t semaphore)
{
	int err = vector_push(&places->offsets, offset);

	if (!err)
		err = vector_push(&places->cookies, cookie);
	return err ? err : vector_push(&places->semaphores, semaphore);
}

static enum places_part part_of(const struct allocator_function *f)
{
	if (f->call == MEMLEAK_CALL_FREE)
		return PLACES_FREES;
	if (f->call == MEMLEAK_CALL_RELEASE)
		return PLACES_RELEASES;
	if (allocator__is_note(f))
		return f->call == MEMLEAK_CALL_NEW && f->family == MEMLEAK_FAMILY_NEW_ARRAY
			       ? PLACES_NEW_ARRAY
			       : PLACES_OPERATORS;
	if (f->call == MEMLEAK_CALL_LIBRARIES)
		return PLACES_LIBRARIES;
	return f->may_throw ? PLACES_MAY_THROW : PLACES_ALLOCS;
}

static uint64_t cookie_of(const struct allocator_function *f)
{
	if (f->call == MEMLEAK_CALL_LIBRARIES)
		return MEMLEAK_COOKIE_LIBRARIES(f->distance);
	return MEMLEAK_COOKIE(f->call, f->family) | f->form | MEMLEAK_FORM_FAMILIES(f->families) |
	       (f->guarded ? MEMLEAK_FORM_GUARDED : 0) | (f->leaf ? MEMLEAK_FORM_LEAF : 0);
}

int places__choose(struct places *places, const struct file *file,
		   const struct placements *placements, const struct share *share,
		   enum places_part part)
{
	const struct allocator *a = &file->allocator;
	size_t i;
	int err;

	for (i = 0; i < a->functions.count; i++) {
		const struct allocator_function *f = &a->functions.items[i];
		const struct placement *p = &placements->list.items[i];

		/* One that is refused would fail the whole link. */
		if (part_of(f) != part || p->cost == PLACEMENT_REFUSED ||
		    !share__is_probed(share, f))
			continue;
		err = places__add(places, p->offset, cookie_of(f), 0);
		if (err)
			return err;
	}
	return 0;
}
