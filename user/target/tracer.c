// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a new program is stopped.
 *
 * A program without an interpreter is complete at its exec. One with an interpreter is mapped by the
 * dynamic loader, which calls _dl_debug_state for debuggers: glibc once before it maps the libraries
 * (r_state RT_ADD) and once when all are mapped and relocated and no constructor has run (RT_CONSISTENT);
 * musl once, when all are mapped. A breakpoint there is the moment. While it is in, the process is tied to
 * this one by PTRACE_O_EXITKILL: alone it would die of the breakpoint anyway.
 *
 * PTRACE_SEIZE throughout: with it a tracer that is killed leaves nothing stopped.
 */
#include "target/tracer.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/process.h"
#include "target/run_as.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/log.h"
#include "util/vector.h"

#if defined(__x86_64__)
#include <sys/user.h>
#define BREAKPOINT_BYTES "\xcc"
#define BREAKPOINT_ADVANCE 1 /* the instruction pointer stands behind int3 */
typedef struct user_regs_struct registers;
#define REGISTERS_IP(r) ((r).rip)
#elif defined(__aarch64__)
#include <sys/user.h>
#define BREAKPOINT_BYTES "\x00\x00\x20\xd4" /* brk #0 */
#define BREAKPOINT_ADVANCE 0
typedef struct user_regs_struct registers;
#define REGISTERS_IP(r) ((r).pc)
#else
#error "this architecture needs its breakpoint here"
#endif
#define BREAKPOINT_SIZE (sizeof(BREAKPOINT_BYTES) - 1)

#define BASE_OPTIONS PTRACE_O_TRACEEXEC
#define FOLLOW_OPTIONS                                                                             \
	(BASE_OPTIONS | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)

/* A traced thread. */
struct task {
	pid_t tid, tgid;
	uint64_t breakpoint; /* address of _dl_debug_state while a breakpoint is in it; else 0 */
	uint64_t state;	     /* address of _r_debug; 0: the first hit is the moment */
	unsigned char saved[BREAKPOINT_SIZE];
};

struct tracer {
	struct tracer_callbacks callbacks;
	void *context;
	bool follow;
	pid_t command; /* 0: none, or it has ended */
	VECTOR(struct task) tasks;
	struct hash by_tid;
};

int tracer__create(const struct tracer_callbacks *callbacks, void *context, bool follow,
		   struct tracer **ret)
{
	struct tracer *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->callbacks = *callbacks;
	t->context = context;
	t->follow = follow;
	*ret = t;
	return 0;
}

void tracer__destroy(struct tracer *t)
{
	if (!t)
		return;
	tracer__detach(t);
	vector_release(&t->tasks);
	hash__release(&t->by_tid);
	free(t);
}

/* --- the tasks --- */

size_t tracer__count(const struct tracer *t)
{
	return t->tasks.count;
}

static struct task *find_task(struct tracer *t, pid_t tid)
{
	uint32_t i = hash__get(&t->by_tid, tid, 0);

	return i == HASH_NONE ? NULL : &t->tasks.items[i];
}

static struct task *add_task(struct tracer *t, pid_t tid, pid_t tgid)
{
	struct task *known = find_task(t, tid);

	if (known)
		return known;
	if (vector_push(&t->tasks, (struct task){.tid = tid, .tgid = tgid}))
		return NULL;
	if (hash__set(&t->by_tid, tid, 0, t->tasks.count - 1)) {
		t->tasks.count--;
		return NULL;
	}
	return &t->tasks.items[t->tasks.count - 1];
}

static void remove_task(struct tracer *t, pid_t tid)
{
	uint32_t i = hash__get(&t->by_tid, tid, 0);
	struct task *last;

	if (i == HASH_NONE)
		return;
	hash__remove(&t->by_tid, tid, 0);
	last = &t->tasks.items[--t->tasks.count];
	if (i < t->tasks.count) {
		t->tasks.items[i] = *last;
		/* Overwrites an existing key: cannot fail. */
		hash__set(&t->by_tid, last->tid, 0, i);
	}
}

static int ptrace_options(const struct tracer *t)
{
	return t->follow ? FOLLOW_OPTIONS : BASE_OPTIONS;
}

/* --- the breakpoint --- */

/* Code is not writable to process_vm_writev; /proc/PID/mem writes it as a debugger does. */
static bool write_code(pid_t pid, uint64_t addr, const void *bytes, size_t n)
{
	CLEANUP_CLOSE int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && pwrite(fd, bytes, n, addr) == (ssize_t)n;
}

static bool read_memory(pid_t pid, uint64_t addr, void *bytes, size_t n)
{
	struct iovec local = {.iov_base = bytes, .iov_len = n};
	struct iovec remote = {.iov_base = (void *)addr, .iov_len = n};

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)n;
}

static void cleanup_elf(Elf **elf)
{
	elf_end(*elf);
}

/* The addresses of _dl_debug_state and _r_debug in the loader's file; 0 where it has none. */
static void find_loader_symbols(int fd, uint64_t *state_function, uint64_t *r_debug)
{
	CLEANUP(cleanup_elf) Elf *elf = NULL;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	while (elf && (scn = elf_nextscn(elf, scn))) {
		Elf_Data *data;
		GElf_Sym sym;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_DYNSYM)
			continue;
		data = elf_getdata(scn, NULL);
		for (int i = 0; data && gelf_getsym(data, i, &sym); i++) {
			const char *name = elf_strptr(elf, sh.sh_link, sym.st_name);

			if (!name || sym.st_shndx == SHN_UNDEF)
				continue;
			if (strcmp(name, "_dl_debug_state") == 0)
				*state_function = sym.st_value;
			else if (strcmp(name, "_r_debug") == 0)
				*r_debug = sym.st_value;
		}
	}
}

/* A descriptor of the file whose first mapping starts at @base, or -errno. */
static int open_mapped_at(pid_t pid, uint64_t base)
{
	CLEANUP_FCLOSE FILE *maps = NULL;
	char path[64], line[4352];
	unsigned long start, end;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		CLEANUP_FREE char *name = NULL;

		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start == base)
			return process__open_mapping(pid, start, end, &name);
	}
	return -ENOENT;
}

/* Put the breakpoint into the loader of a process stopped at its exec; false if it has no loader. */
static bool set_breakpoint(struct tracer *t, struct task *task)
{
	CLEANUP_CLOSE int fd = -1;
	uint64_t base = process__auxv(task->tgid, AT_BASE);
	uint64_t function = 0, r_debug = 0;

	if (!base)
		return false; /* static */
	fd = open_mapped_at(task->tgid, base);
	if (fd >= 0)
		find_loader_symbols(fd, &function, &r_debug);
	if (!function) {
		log_warning("the dynamic loader of process %d is not known: allocations of library "
			    "constructors may be missed", task->tgid);
		return false;
	}
	if (!read_memory(task->tgid, base + function, task->saved, BREAKPOINT_SIZE))
		return false;
	/* Tied first, broken second. */
	ptrace(PTRACE_SETOPTIONS, task->tid, 0, ptrace_options(t) | PTRACE_O_EXITKILL);
	if (!write_code(task->tgid, base + function, BREAKPOINT_BYTES, BREAKPOINT_SIZE)) {
		return false;
	}
	task->breakpoint = base + function;
	task->state = r_debug ? base + r_debug : 0;
	return true;
}

/* Take the breakpoint out of a stopped task, which then is as it was before. */
static void clear_breakpoint(struct tracer *t, struct task *task)
{
	if (!task->breakpoint)
		return;
	write_code(task->tgid, task->breakpoint, task->saved, BREAKPOINT_SIZE);
	task->breakpoint = 0;
	ptrace(PTRACE_SETOPTIONS, task->tid, 0, ptrace_options(t));
}

static bool get_registers(pid_t tid, registers *regs)
{
	struct iovec v = {.iov_base = regs, .iov_len = sizeof(*regs)};

	return ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &v) == 0;
}

static bool set_registers(pid_t tid, registers *regs)
{
	struct iovec v = {.iov_base = regs, .iov_len = sizeof(*regs)};

	return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &v) == 0;
}

/* --- what happens to the tasks --- */

static void let_go(struct task *task, int signal)
{
	ptrace(PTRACE_CONT, task->tid, 0, signal);
}

/* The program is complete: this is the moment. */
static void program_started(struct tracer *t, struct task *task)
{
	pid_t tid = task->tid;

	ptrace(PTRACE_SETOPTIONS, tid, 0, ptrace_options(t));
	t->callbacks.started(t->context, task->tgid);
	if (t->follow) {
		let_go(task, 0);
		return;
	}
	ptrace(PTRACE_DETACH, tid, 0, 0);
	remove_task(t, tid);
}

static void handle_exec(struct tracer *t, struct task *task)
{
	size_t i = 0;

	/* Every other thread is gone, whichever of them called exec. */
	while (i < t->tasks.count) {
		struct task *other = &t->tasks.items[i];

		if (other->tgid == task->tgid && other->tid != task->tid)
			remove_task(t, other->tid);
		else
			i++;
	}
	task = find_task(t, task->tid);
	task->breakpoint = 0;
	if (set_breakpoint(t, task))
		let_go(task, 0);
	else
		program_started(t, task);
}

/* True if the trap was our breakpoint; the task is let go then. */
static bool handle_breakpoint(struct tracer *t, struct task *task)
{
	registers regs;
	int state = 0; /* RT_CONSISTENT */

	if (!task->breakpoint || !get_registers(task->tid, &regs) ||
	    REGISTERS_IP(regs) - BREAKPOINT_ADVANCE != task->breakpoint)
		return false;
	/* Only the return follows in _dl_debug_state: what was replaced is executed in place. */
	REGISTERS_IP(regs) = task->breakpoint;
	set_registers(task->tid, &regs);
	if (task->state)
		read_memory(task->tgid, task->state + offsetof(struct r_debug, r_state), &state,
			    sizeof(state));
	if (state == 0) {
		clear_breakpoint(t, task);
		program_started(t, task);
		return true;
	}
	/* Too early: execute the original and put the breakpoint back. */
	write_code(task->tgid, task->breakpoint, task->saved, BREAKPOINT_SIZE);
	if (ptrace(PTRACE_SINGLESTEP, task->tid, 0, 0) == 0) {
		int status;

		/* One instruction of a single thread: this does not wait for anyone. */
		if (waitpid(task->tid, &status, __WALL) == task->tid && WIFSTOPPED(status))
			write_code(task->tgid, task->breakpoint, BREAKPOINT_BYTES,
				   BREAKPOINT_SIZE);
	}
	let_go(task, 0);
	return true;
}

/* A task stopped that is not known yet: a new thread, or a new process at its birth. */
static struct task *handle_birth(struct tracer *t, pid_t tid)
{
	pid_t tgid = process__tgid(tid);
	struct task *task = add_task(t, tid, tgid > 0 ? tgid : tid);

	if (!task) {
		log_error("out of memory: process %d is not followed", tid);
		ptrace(PTRACE_DETACH, tid, 0, 0);
		return NULL;
	}
	if (task->tgid == tid)
		t->callbacks.forked(t->context, tid);
	return task;
}

static void handle_stop(struct tracer *t, pid_t tid, int status)
{
	struct task *task = find_task(t, tid);
	int event = status >> 16, signal = WSTOPSIG(status);

	if (!task) {
		task = handle_birth(t, tid);
		if (task)
			let_go(task, event ? 0 : signal);
		return;
	}
	switch (event) {
	case PTRACE_EVENT_EXEC:
		handle_exec(t, task);
		return;
	case PTRACE_EVENT_STOP:
		if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN ||
		    signal == SIGTTOU) {
			/* Stopped by job control: it stays so until SIGCONT. */
			ptrace(PTRACE_LISTEN, tid, 0, 0);
			return;
		}
		let_go(task, 0);
		return;
	case 0:
		if (signal == SIGTRAP && handle_breakpoint(t, task))
			return;
		if (t->callbacks.signalled(t->context, task->tgid, tid, signal))
			signal = 0;
		let_go(task, signal);
		return;
	default:
		let_go(task, 0);
	}
}

static void handle_end(struct tracer *t, pid_t tid, int status)
{
	remove_task(t, tid);
	if (tid != t->command)
		return;
	t->command = 0;
	t->callbacks.ended(t->context, status);
}

void tracer__dispatch(struct tracer *t)
{
	int status;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
		if (WIFSTOPPED(status)) {
			handle_stop(t, tid, status);
			continue;
		}
		handle_end(t, tid, status);
	}
}

/* --- starting and letting go --- */

/* In the child: wait until the parent traces us, become the program. */
static void __attribute__((noreturn))
run_child(char *const argv[], const struct run_as *user, int go, int failed)
{
	static const int reset[] = {SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGCHLD};
	sigset_t none;
	char byte;
	size_t i;
	int err;

	sigemptyset(&none);
	for (i = 0; i < ARRAY_SIZE(reset); i++)
		signal(reset[i], SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (read(go, &byte, 1) != 1)
		_exit(127);
	err = user ? run_as__become(user) : 0;
	if (!err) {
		execvp(argv[0], argv);
		err = -errno;
	}
	if (write(failed, &err, sizeof(err)) != sizeof(err))
		_exit(126);
	_exit(127);
}

static void explain_exec_failure(const char *name, int err)
{
	struct stat st;

	if (err == -ENOENT && !strchr(name, '/'))
		log_error("command '%s' not found in PATH", name);
	else if (err == -ENOENT && stat(name, &st) == 0)
		log_error("cannot run '%s': its interpreter does not exist", name);
	else if (err == -EACCES && stat(name, &st) == 0 && S_ISDIR(st.st_mode))
		log_error("cannot run '%s': it is a directory", name);
	else if (err == -EACCES)
		log_error("cannot run '%s': not executable; see `ls -l` for its permissions", name);
	else if (err == -ENOEXEC)
		log_error("cannot run '%s': not a program (a script needs a #! line)", name);
	else
		log_error("cannot run '%s': %s", name, strerror(-err));
}

/* Seize the child, let it exec, see what became of it. 0 or -errno. */
static int start_child(struct tracer *t, pid_t pid, int go, int failed, const char *name)
{
	int status, err = 0;

	if (ptrace(PTRACE_SEIZE, pid, 0, ptrace_options(t) | PTRACE_O_EXITKILL)) {
		err = -errno;
		log_error("cannot trace the command: %s", strerror(-err));
		return err;
	}
	if (!add_task(t, pid, pid))
		return -ENOMEM;
	if (write(go, "", 1) != 1)
		return -errno;
	/* Either the exec closes the pipe or its failure comes through it; signals of a terminal may
	 * stop the child in between. */
	for (;;) {
		if (waitpid(pid, &status, __WALL) != pid)
			return -errno;
		if (!WIFSTOPPED(status))
			break;
		if (status >> 16 == PTRACE_EVENT_EXEC) {
			t->command = pid;
			handle_stop(t, pid, status);
			return 0;
		}
		ptrace(PTRACE_CONT, pid, 0, status >> 16 ? 0 : WSTOPSIG(status));
	}
	remove_task(t, pid);
	if (read(failed, &err, sizeof(err)) != sizeof(err))
		err = -ECHILD;
	explain_exec_failure(name, err);
	return err;
}

pid_t tracer__launch(struct tracer *t, char *const argv[], const char *user_name)
{
	CLEANUP(run_as__release) struct run_as user = {0};
	int go[2] = {-1, -1}, failed[2] = {-1, -1};
	int err, other;
	pid_t pid;

	other = run_as__find(user_name, &user);
	if (other < 0)
		return other;
	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(failed, O_CLOEXEC)) {
		err = -errno;
		close(go[0]);
		close(go[1]);
		return err;
	}
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		run_child(argv, other ? &user : NULL, go[0], failed[1]);
	}
	err = pid < 0 ? -errno : 0;
	close(go[0]);
	close(failed[1]);
	if (!err)
		err = start_child(t, pid, go[1], failed[0], argv[0]);
	close(go[1]);
	close(failed[0]);
	return err ? err : pid;
}

int tracer__seize(struct tracer *t, pid_t pid)
{
	bool grown = true;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	/* Threads may be born while we look: again until a whole pass finds none. */
	while (grown) {
		CLEANUP_CLOSEDIR DIR *dir = opendir(path);
		struct dirent *d;

		grown = false;
		if (!dir)
			return -errno;
		while ((d = readdir(dir))) {
			pid_t tid = atoi(d->d_name);

			if (tid <= 0 || find_task(t, tid))
				continue;
			if (ptrace(PTRACE_SEIZE, tid, 0, ptrace_options(t))) {
				if (errno == ESRCH)
					continue; /* it has just ended */
				return -errno;
			}
			if (!add_task(t, tid, pid))
				return -ENOMEM;
			grown = true;
		}
	}
	return 0;
}

/* Detach a stopped task, with whatever signal it stopped for. */
static void detach_task(struct tracer *t, struct task *task, int status)
{
	int signal = status >> 16 ? 0 : WSTOPSIG(status);
	pid_t tid = task->tid;
	registers regs;

	if (signal == SIGTRAP && task->breakpoint && get_registers(tid, &regs) &&
	    REGISTERS_IP(regs) - BREAKPOINT_ADVANCE == task->breakpoint) {
		REGISTERS_IP(regs) = task->breakpoint;
		set_registers(tid, &regs);
		signal = 0;
	}
	if (signal && t->callbacks.signalled(t->context, task->tgid, tid, signal))
		signal = 0;
	clear_breakpoint(t, task);
	ptrace(PTRACE_DETACH, tid, 0, signal);
	remove_task(t, tid);
}

/* How long the detaching of threads that cannot be stopped is waited for. The kernel detaches what is
 * left at our exit: a parent in vfork(2), say, whose child takes its time. */
#define DETACH_LIMIT_MS 1000

void tracer__detach(struct tracer *t)
{
	int waited, status;
	size_t i;
	pid_t tid;

	for (i = 0; i < t->tasks.count; i++)
		ptrace(PTRACE_INTERRUPT, t->tasks.items[i].tid, 0, 0);
	for (waited = 0; t->tasks.count && waited < DETACH_LIMIT_MS;) {
		struct task *task;

		tid = waitpid(-1, &status, __WALL | WNOHANG);
		if (tid < 0)
			break;
		if (tid == 0) {
			usleep(1000);
			waited++;
			continue;
		}
		if (!WIFSTOPPED(status)) {
			handle_end(t, tid, status);
			continue;
		}
		task = find_task(t, tid);
		if (!task) /* born in the last moment */
			task = add_task(t, tid, tid);
		if (task)
			detach_task(t, task, status);
	}
}
