// SPDX-License-Identifier: GPL-2.0-or-later
#include "pairs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/memleak.h"
#include "util/cleanup.h"

#define MAX_NAME     48
#define MAX_ARGUMENT 5 /* what the kernel's helpers name of every architecture */

/* One function, being read. */
struct reading {
	uint64_t form;
	bool releases, resource, nothrow, has_pointer, has_fail;
	const char *family; /* NULL: not said */
};

/* "ARGn"; 0 if it is none. */
static unsigned int parse_argument(const char *text)
{
	if (strncmp(text, "ARG", 3) != 0 || text[3] < '1' || text[3] > '0' + MAX_ARGUMENT ||
	    text[4])
		return 0;
	return text[3] - '0';
}

static const char *set_size(struct reading *r, char *value)
{
	char *times = strchr(value, '*');
	unsigned int n, m = 0;

	if (times) {
		*times = 0;
		m = parse_argument(times + 1);
	}
	n = parse_argument(value);
	if (!n || (times && !m))
		return "has a size that is not ARG1 to ARG5 or a product of two";
	r->form |= MEMLEAK_FORM_SIZE(n) | MEMLEAK_FORM_COUNT(m);
	return NULL;
}

static const char *set_pointer(struct reading *r, char *value)
{
	bool dereference = *value == '*';
	unsigned int n = parse_argument(value + dereference);

	r->has_pointer = true;
	if (!r->releases && strcmp(value, "ret") == 0)
		return NULL;
	if (!n || (r->releases && dereference))
		return r->releases ? "has a ptr that is not ARG1 to ARG5"
				   : "has a ptr that is not ret, ARG1 to ARG5 or *ARG1 to *ARG5";
	r->form |= MEMLEAK_FORM_POINTER(n) | (dereference ? MEMLEAK_FORM_DEREFERENCE : 0);
	return NULL;
}

static const char *set_fail(struct reading *r, char *value)
{
	static const char *const modes[] = {
		[MEMLEAK_FAIL_ZERO] = "0",
		[MEMLEAK_FAIL_MINUS_ONE] = "-1",
		[MEMLEAK_FAIL_NOT_ZERO] = "nonzero",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(value, modes[i]) != 0)
			continue;
		r->form |= MEMLEAK_FORM_FAIL(i);
		r->has_fail = true;
		return NULL;
	}
	return "has a fail that is not 0, -1 or nonzero";
}

static const char *set_old(struct reading *r, char *value)
{
	unsigned int n = parse_argument(value);

	if (!n)
		return "has an old that is not ARG1 to ARG5";
	r->form |= MEMLEAK_FORM_OLD(n);
	return NULL;
}

static bool is_family_name(const char *name)
{
	static const char *const taken[] = {"malloc", "new", "new[]", "mmap"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(taken); i++)
		if (strcmp(name, taken[i]) == 0)
			return false;
	return *name && strlen(name) <= MAX_NAME;
}

static const char *set_family(struct reading *r, char *value)
{
	if (!is_family_name(value))
		return "has a family that is empty, too long, or one of malloc, new, new[], mmap";
	r->family = value;
	return NULL;
}

static const char *set_resource(struct reading *r, char *value)
{
	(void)value;
	r->resource = true;
	r->form |= MEMLEAK_FORM_RESOURCE;
	return NULL;
}

static const char *set_nothrow(struct reading *r, char *value)
{
	(void)value;
	r->nothrow = true;
	return NULL;
}

static const struct part {
	const char *name; /* with its '=', if it has a value */
	const char *(*set)(struct reading *r, char *value);
	bool alloc_only;
} parts[] = {
	{"size=", set_size, true},	{"ptr=", set_pointer, false},
	{"fail=", set_fail, true},	{"old=", set_old, true},
	{"nothrow", set_nothrow, true}, {"resource", set_resource, true},
	{"family=", set_family, false},
};

static const char *read_part(struct reading *r, char *text)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t n = strlen(parts[i].name);

		if (strncmp(text, parts[i].name, n) != 0 || (r->releases && parts[i].alloc_only))
			continue;
		if (parts[i].name[n - 1] != '=' && text[n])
			continue;
		return parts[i].set(r, text + n);
	}
	return r->releases ? "has a part that is not ptr= or family="
			   : "has a part that is not size=, ptr=, fail=, old=, "
			     "resource, nothrow or family=";
}

/* The family that the function belongs to, made if it is new. */
static int choose_family(struct pairs *p, const struct reading *r, const char *function,
			 const char **why)
{
	struct pairs_family f = {.resource = r->resource};
	bool goes_on = p->families.count && (r->releases || !p->released);
	const char *name = r->family ? r->family : function;
	size_t i;
	int err;

	for (i = 0; r->family && i < p->families.count; i++) {
		if (strcmp(p->families.items[i].name, r->family) == 0) {
			p->current = i;
			return 0;
		}
	}
	if (!r->family && goes_on)
		return 0;
	*why = NULL;
	if (r->releases)
		*why = "stands before any --alloc-fn of its family";
	else if (!is_family_name(name))
		*why = "cannot give its name to a family: family=NAME names one";
	else if (p->families.count == PAIRS_MAX_FAMILIES)
		*why = "is one family too many (there can be 32)";
	if (*why)
		return -EINVAL;
	f.name = strdup(name);
	err = f.name ? vector_push(&p->families, f) : -ENOMEM;
	if (err) {
		free(f.name);
		return err;
	}
	p->current = p->families.count - 1;
	return 0;
}

static int add_function(struct pairs *p, struct reading *r, const char *name, const char **why)
{
	struct pairs_function f = {.releases = r->releases, .nothrow = r->nothrow};
	struct pairs_family *family;
	int err = choose_family(p, r, name, why);

	if (err)
		return err;
	family = &p->families.items[p->current];
	if (!r->releases && r->resource != family->resource) {
		*why = "is a resource in a family of memory, or the other way round";
		return -EINVAL;
	}
	if (r->resource && r->nothrow) {
		*why = "is a resource: nothrow is for memory";
		return -EINVAL;
	}
	if (family->resource)
		r->form |= MEMLEAK_FORM_RESOURCE;
	/* What returns its pointer fails with NULL, what returns it otherwise gives an error. */
	if (!r->releases && !r->has_fail && MEMLEAK_FORM_ARGUMENT(r->form, 28))
		r->form |= MEMLEAK_FORM_FAIL(MEMLEAK_FAIL_NOT_ZERO);
	if (r->releases && !r->has_pointer)
		r->form |= MEMLEAK_FORM_POINTER(1);
	f.family = MEMLEAK_FAMILY_USER + p->current;
	f.form = r->form;
	f.name = strdup(name);
	err = f.name ? vector_push(&p->functions, f) : -ENOMEM;
	if (err) {
		free(f.name);
		return err;
	}
	*(r->releases ? &family->nr_frees : &family->nr_allocs) += 1;
	p->released = r->releases;
	return 0;
}

int pairs__add(struct pairs *p, const char *text, bool releases, const char **why)
{
	CLEANUP_FREE char *copy = strdup(text);
	struct reading r = {.releases = releases};
	char *rest = copy, *name, *part;

	if (!copy)
		return -ENOMEM;
	name = strsep(&rest, ":");
	*why = *name ? NULL : "begins with no function";
	while (!*why && (part = strsep(&rest, ":")))
		*why = read_part(&r, part);
	if (*why)
		return -EINVAL;
	return add_function(p, &r, name, why);
}

/* Each family a row: what acquires, what releases. */
static const struct preset {
	const char *name;
	const char *const *acquire, *const *release;
} presets[] = {
	{"files",
	 (const char *const[]){"fopen:resource:family=files",
			       "fopen64:resource",
			       "fdopen:resource:old=ARG1",
			       "freopen:resource:old=ARG3",
			       "freopen64:resource:old=ARG3",
			       "tmpfile:resource",
			       "tmpfile64:resource",
			       "open:resource:fail=-1",
			       "open64:resource:fail=-1",
			       "openat:resource:fail=-1",
			       "openat64:resource:fail=-1",
			       "creat:resource:fail=-1",
			       "creat64:resource:fail=-1",
			       "dup:resource:fail=-1",
			       "socket:resource:fail=-1",
			       "accept:resource:fail=-1",
			       "accept4:resource:fail=-1",
			       "epoll_create1:resource:fail=-1",
			       "eventfd:resource:fail=-1",
			       "timerfd_create:resource:fail=-1",
			       "memfd_create:resource:fail=-1",
			       NULL},
	 (const char *const[]){"fclose", "close", NULL}},
	{"locks",
	 (const char *const[]){"pthread_mutex_lock:resource:ptr=ARG1:family=locks",
			       "pthread_mutex_trylock:resource:ptr=ARG1",
			       "pthread_rwlock_rdlock:resource:ptr=ARG1",
			       "pthread_rwlock_wrlock:resource:ptr=ARG1",
			       "pthread_rwlock_tryrdlock:resource:ptr=ARG1",
			       "pthread_rwlock_trywrlock:resource:ptr=ARG1", NULL},
	 (const char *const[]){"pthread_mutex_unlock", "pthread_rwlock_unlock", NULL}},
	{"dirs", (const char *const[]){"opendir:resource:family=dirs", NULL},
	 (const char *const[]){"closedir", NULL}},
	{"dl", (const char *const[]){"dlopen:resource:family=dl", "dlmopen:resource", NULL},
	 (const char *const[]){"dlclose", NULL}},
};

static int add_all(struct pairs *p, const char *const *texts, bool releases)
{
	const char *why;
	int err = 0;

	for (; *texts && !err; texts++)
		err = pairs__add(p, *texts, releases, &why);
	return err;
}

int pairs__add_preset(struct pairs *p, const char *name)
{
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(presets); i++) {
		if (strcmp(presets[i].name, name) != 0)
			continue;
		err = add_all(p, presets[i].acquire, false);
		return err ? err : add_all(p, presets[i].release, true);
	}
	return -ENOENT;
}

const char *pairs__incomplete(const struct pairs *p)
{
	size_t i;

	for (i = 0; i < p->families.count; i++)
		if (!p->families.items[i].nr_allocs || !p->families.items[i].nr_frees)
			return p->families.items[i].name;
	return NULL;
}

void pairs__release(struct pairs *p)
{
	size_t i;

	for (i = 0; i < p->functions.count; i++)
		free(p->functions.items[i].name);
	for (i = 0; i < p->families.count; i++)
		free(p->families.items[i].name);
	vector_release(&p->functions);
	vector_release(&p->families);
}
