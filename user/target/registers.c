// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/registers.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "util/cleanup.h"

#define WORD 8

#ifndef NT_ARM_TLS
#define NT_ARM_TLS 0x401
#endif

/* The bytes of a register set, or -errno. */
static ssize_t read_set(pid_t tid, unsigned long type, void *buf, size_t size)
{
	struct iovec iov = {buf, size};

	return ptrace(PTRACE_GETREGSET, tid, type, &iov) ? -errno : (ssize_t)iov.iov_len;
}

#if defined(__x86_64__)

static int read_general(pid_t tid, struct registers *ret, uint64_t *call)
{
	struct user_regs_struct regs;
	ssize_t n = read_set(tid, NT_PRSTATUS, &regs, sizeof(regs));
	const uint64_t general[] = {regs.rax, regs.rbx, regs.rcx, regs.rdx, regs.rsi,
				    regs.rdi, regs.rbp, regs.r8,  regs.r9,  regs.r10,
				    regs.r11, regs.r12, regs.r13, regs.r14, regs.r15};

	if (n != sizeof(regs))
		return n < 0 ? n : -EINVAL; /* a 32-bit one */
	memcpy(ret->general, general, sizeof(general));
	ret->nr_general = ARRAY_SIZE(general);
	ret->sp = regs.rsp;
	ret->tls = regs.fs_base;
	ret->ip = regs.rip;
	ret->fp = regs.rbp;
	*call = regs.orig_rax;
	return 0;
}

/*
 * An XSAVE area (Intel SDM 1, 13.4): xmm0 to xmm15 are at a fixed place, what wider registers have
 * beyond them is in components, somewhere behind the header. Copying moves memory through all.
 */
#define AREA_SIZE  4096 /* what lies beyond is matrices */
#define XMM_OFFSET 160
#define XMM_SIZE   256
#define COMPONENTS 576

static_assert(REGISTERS_VECTORS * WORD == XMM_SIZE + AREA_SIZE - COMPONENTS, "room for all");

static void read_vectors(pid_t tid, struct registers *ret)
{
	char area[AREA_SIZE];
	ssize_t n = read_set(tid, NT_X86_XSTATE, area, sizeof(area));

	if (n < 0) /* a processor without XSAVE */
		n = read_set(tid, NT_PRFPREG, area, sizeof(struct user_fpregs_struct));
	if (n < XMM_OFFSET + XMM_SIZE)
		return;
	memcpy(ret->vectors, area + XMM_OFFSET, XMM_SIZE);
	ret->nr_vectors = XMM_SIZE / WORD;
	if (n <= COMPONENTS)
		return;
	memcpy(ret->vectors + ret->nr_vectors, area + COMPONENTS, n - COMPONENTS);
	ret->nr_vectors += (n - COMPONENTS) / WORD;
}

/* The register of word @i of vectors. */
static void name_vector(size_t i, char *buf, size_t size)
{
	static const struct part {
		uint32_t component, first, bytes; /* of each of 16 registers */
		const char *name;
	} parts[] = {{2, 0, 16, "ymm"}, {6, 0, 32, "zmm"}, {7, 16, 64, "zmm"}};
	size_t at = COMPONENTS + i * WORD - XMM_SIZE, k;

	snprintf(buf, size, i < XMM_SIZE / WORD ? "xmm%zu" : "of a kind", i / 2);
	for (k = 0; k < ARRAY_SIZE(parts) && i >= XMM_SIZE / WORD; k++) {
		const struct part *p = &parts[k];
		uint32_t length, offset, ecx, edx;

		if (__get_cpuid_count(0xd, p->component, &length, &offset, &ecx, &edx) &&
		    at - offset < 16 * p->bytes)
			snprintf(buf, size, "%s%zu", p->name, p->first + (at - offset) / p->bytes);
	}
}

void registers__name(size_t i, bool vector, char *buf, size_t size)
{
	static const char *const names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
					    "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

	if (vector)
		name_vector(i, buf, size);
	else
		snprintf(buf, size, "%s", i < ARRAY_SIZE(names) ? names[i] : "?");
}

#elif defined(__aarch64__)

void registers__name(size_t i, bool vector, char *buf, size_t size)
{
	snprintf(buf, size, "%s%zu", vector ? "v" : "x", vector ? i / 2 : i);
}

static int read_general(pid_t tid, struct registers *ret, uint64_t *call)
{
	struct user_regs_struct regs;
	ssize_t n = read_set(tid, NT_PRSTATUS, &regs, sizeof(regs));

	if (n != sizeof(regs))
		return n < 0 ? n : -EINVAL;
	memcpy(ret->general, regs.regs, sizeof(regs.regs));
	ret->nr_general = ARRAY_SIZE(regs.regs);
	ret->sp = regs.sp;
	ret->ip = regs.pc;
	ret->fp = regs.regs[29];
	ret->lr = regs.regs[30];
	*call = regs.regs[8];
	read_set(tid, NT_ARM_TLS, &ret->tls, sizeof(ret->tls)); /* 0 where it fails */
	return 0;
}

static void read_vectors(pid_t tid, struct registers *ret)
{
	struct user_fpsimd_struct regs;

	if (read_set(tid, NT_PRFPREG, &regs, sizeof(regs)) != sizeof(regs))
		return;
	memcpy(ret->vectors, regs.vregs, sizeof(regs.vregs));
	ret->nr_vectors = sizeof(regs.vregs) / (sizeof(uint64_t));
}

#endif

int registers__read(pid_t tid, struct registers *ret)
{
	uint64_t call;
	int err;

	*ret = (struct registers){0};
	err = read_general(tid, ret, &call);
	if (!err)
		read_vectors(tid, ret);
	return err;
}

bool registers__ends_alone(pid_t tid)
{
	struct registers r = {0};
	uint64_t call = 0;
	unsigned long status = 0;

	ptrace(PTRACE_GETEVENTMSG, tid, 0, &status);
	return !read_general(tid, &r, &call) && call == SYS_exit && !(status & 0x7f);
}
