/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SANDBOX_KINDS_H
#define MEMLEAK_SANDBOX_KINDS_H

/* Kinds of requests to the helper. */
enum sandbox_kind {
	SANDBOX_OBJECT,	  /* headers and allocation functions of a file */
	SANDBOX_TABLE,	  /* its unwind table */
	SANDBOX_FIND,	  /* functions and lines at its addresses */
	SANDBOX_DEMANGLE, /* a name */
	SANDBOX_SUPPRESS, /* the text of a file of suppressions */
	SANDBOX_KINDS
};

#endif
