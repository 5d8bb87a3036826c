// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/remedy.h"

#include <stdio.h>
#include <string.h>

const char *remedy__text(const struct profile_entry *e, char buf[static REMEDY_SIZE])
{
	if (e->verdict != PROFILE_VERDICT_DEFINITE || e->suppressed)
		return NULL;
	if (e->cycle_classes)
		snprintf(buf, REMEDY_SIZE,
			 "shared_ptr cycle (%.*s): hold one direction of it in a std::weak_ptr",
			 REMEDY_SIZE / 2, e->cycle_classes);
	else if (e->cycle && strncmp(e->family, "new", 3) == 0)
		snprintf(buf, REMEDY_SIZE,
			 "never deleted, and its blocks point to each other: delete it in its "
			 "owner's "
			 "destructor");
	else if (e->cycle)
		snprintf(buf, REMEDY_SIZE,
			 "a cycle: free these blocks where the last pointer to them goes away");
	else if (strncmp(e->family, "new", 3) == 0)
		snprintf(buf, REMEDY_SIZE,
			 "never deleted: %s it in its owner's destructor, or let a std::unique_ptr "
			 "own it",
			 strcmp(e->family, "new[]") ? "delete" : "delete[]");
	else
		snprintf(buf, REMEDY_SIZE,
			 "never freed: free it before the last pointer to it goes away");
	return buf;
}

/* What takes back what each family gives. */
static const char *release_of(const char *family)
{
	if (strcmp(family, "new") == 0)
		return "delete";
	if (strcmp(family, "new[]") == 0)
		return "delete[]";
	return "free()";
}

const char *remedy__wrong_free(const struct profile_wrong_free *f, char buf[static REMEDY_SIZE])
{
	switch (f->kind) {
	case PROFILE_WRONG_MISMATCHED:
		snprintf(buf, REMEDY_SIZE, "use %s for what %s gave", release_of(f->alloc_family),
			 f->alloc_family);
		break;
	case PROFILE_WRONG_SIZE:
		snprintf(buf, REMEDY_SIZE,
			 "deleted through a pointer to its base class? Make the base's destructor "
			 "virtual");
		break;
	case PROFILE_WRONG_DOUBLE:
		snprintf(buf, REMEDY_SIZE,
			 "freed already: give it one owner, and set pointers to it to NULL once "
			 "it is freed");
		break;
	case PROFILE_WRONG_POINTER:
		snprintf(buf, REMEDY_SIZE,
			 "free only what an allocation gave, by the very pointer that it gave");
		break;
	}
	return buf;
}
