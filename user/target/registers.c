// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/registers.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "util/cleanup.h"

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
	*call = regs.orig_rax;
	return 0;
}

static void read_vectors(pid_t tid, struct registers *ret)
{
	struct user_fpregs_struct regs;

	if (read_set(tid, NT_PRFPREG, &regs, sizeof(regs)) != sizeof(regs))
		return;
	memcpy(ret->vectors, regs.xmm_space, sizeof(regs.xmm_space));
	ret->nr_vectors = sizeof(regs.xmm_space) / (sizeof(uint64_t));
}

void registers__name(size_t i, bool vector, char *buf, size_t size)
{
	static const char *const names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
					    "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

	if (vector)
		snprintf(buf, size, "xmm%zu", i / 2);
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
