// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/remedy.h"

#include <stdio.h>
#include <string.h>

/* The control blocks of libstdc++'s shared_ptr: the class that they count for is the first argument
 * of the template. */
#define COUNTER	    "std::_Sp_counted_"
#define MAX_CLASSES 4

/* The class that a control block of @type counts for: where it starts, and its *@length; NULL where
 * it is none. */
static const char *counted_class(const char *type, size_t *length)
{
	const char *start =
		type && strncmp(type, COUNTER, strlen(COUNTER)) == 0 ? strchr(type, '<') : NULL;
	int depth = 0;
	size_t n;

	if (!start)
		return NULL;
	start++;
	for (n = 0; start[n] && (depth || (start[n] != ',' && start[n] != '>')); n++)
		depth += (start[n] == '<') - (start[n] == '>');
	while (n && (start[n - 1] == '*' || start[n - 1] == ' '))
		n--;
	*length = n;
	return n ? start : NULL;
}

/* List the classes of the process whose shared_ptrs are in cycles; how many there are. */
static size_t list_classes(const struct profile *p, const struct profile_process *process,
			   char *buf, size_t size)
{
	size_t nr = 0, length, used = 0;
	uint32_t i;

	buf[0] = '\0';
	for (i = 0; i < process->nr_entries && nr < MAX_CLASSES; i++) {
		const struct profile_entry *e = &p->entries.items[process->first_entry + i];
		const char *name = e->cycle ? counted_class(e->type, &length) : NULL;

		if (!name || used + length + 3 > size)
			continue;
		used += snprintf(buf + used, size - used, "%s%.*s", nr ? ", " : "", (int)length,
				 name);
		nr++;
	}
	return nr;
}

const char *remedy__text(const struct profile *p, const struct profile_entry *e,
			 char buf[static REMEDY_SIZE])
{
	char classes[REMEDY_SIZE / 2];

	if (e->verdict != PROFILE_VERDICT_DEFINITE || e->suppressed)
		return NULL;
	if (e->cycle && list_classes(p, &p->processes.items[e->process], classes, sizeof(classes)))
		snprintf(buf, REMEDY_SIZE,
			 "shared_ptr cycle (%s): hold one direction of it in a std::weak_ptr",
			 classes);
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
