// SPDX-License-Identifier: GPL-2.0-or-later
#include "child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/vector.h"

#define ANSWER_SECONDS 60
#define STOP_SECONDS   20
#define MAX_WORDS      24

/* In the new process: what any child needs. */
static void settle(int cpu)
{
	cpu_set_t set;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_DFL);
	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void send_to_null(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0)
		dup2(null, fd);
}

/* The pipes may have the very numbers that they are to get: they step aside first. */
static void place_pipes(int orders, int answers)
{
	orders = fcntl(orders, F_DUPFD_CLOEXEC, MICRO_FD_ANSWERS + 1);
	answers = fcntl(answers, F_DUPFD_CLOEXEC, MICRO_FD_ANSWERS + 1);
	dup2(orders, MICRO_FD_ORDERS);
	dup2(answers, MICRO_FD_ANSWERS);
}

static _Noreturn void execute(char *const *argv)
{
	execvp(argv[0], argv);
	fprintf(stderr, "bench: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int child__start_workload(char *const *argv, const char *libraries, int cpu, struct child *ret)
{
	CLEANUP_CLOSE int orders_in = -1, orders_out = -1, answers_in = -1, answers_out = -1;
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	orders_in = pipes[0];
	orders_out = pipes[1];
	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	answers_in = pipes[0];
	answers_out = pipes[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		settle(cpu);
		place_pipes(orders_in, answers_out);
		send_to_null(STDIN_FILENO);
		send_to_null(STDOUT_FILENO);
		send_to_null(STDERR_FILENO);
		setenv("LD_LIBRARY_PATH", libraries, 1);
		execute(argv);
	}
	*ret = (struct child){.pid = pid, .to = TAKE_FD(orders_out), .from = TAKE_FD(answers_in)};
	return 0;
}

int child__start_tool(char *const *argv, int cpu, struct child *ret)
{
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		settle(cpu);
		send_to_null(STDIN_FILENO);
		dup2(pipes[1], STDOUT_FILENO);
		execute(argv);
	}
	close(pipes[1]);
	if (pid < 0) {
		close(pipes[0]);
		return -EAGAIN;
	}
	*ret = (struct child){.pid = pid, .to = -1, .from = pipes[0]};
	return 0;
}

static void close_pipes(struct child *c)
{
	cleanup_close(&c->to);
	cleanup_close(&c->from);
	c->to = c->from = -1;
}

static int wait_readable(int fd, int seconds)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n = poll(&p, 1, seconds * 1000);

	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

int child__ask(const struct child *c, const struct micro_order *order, struct micro_answer *ret)
{
	struct micro_answer answer;
	ssize_t n = write(c->to, order, sizeof(*order));
	int err;

	if (n != sizeof(*order))
		return n < 0 ? -errno : -EIO;
	err = wait_readable(c->from, ANSWER_SECONDS);
	if (err)
		return err;
	n = read(c->from, &answer, sizeof(answer));
	if (n != sizeof(answer))
		return n < 0 ? -errno : -EPIPE;
	*ret = answer;
	return 0;
}

/* Whether @pid blocks SIGUSR1, as who reads signals does; -errno. */
static int listens(pid_t pid)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	unsigned long mask = 0;
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "State: %c", path) == 1 && *path == 'Z')
			return -ECHILD;
		if (sscanf(line, "SigBlk: %lx", &mask) == 1)
			break;
	}
	return !!(mask & 1UL << (SIGUSR1 - 1));
}

/* 0 or -EINTR. */
static int nap(void)
{
	const struct timespec t = {.tv_nsec = 10 * 1000 * 1000};

	return nanosleep(&t, NULL) ? -EINTR : 0;
}

static int wait_listening(const struct child *c, int seconds)
{
	time_t end = time(NULL) + seconds;
	int n;

	for (n = listens(c->pid); !n; n = listens(c->pid)) {
		if (time(NULL) > end)
			return -ETIMEDOUT;
		nap();
	}
	return n < 0 ? n : 0;
}

int child__read_line(const struct child *c, int seconds, char **ret)
{
	VECTOR(char) line = {0};
	int err = 0;

	while (!line.count || line.items[line.count - 1] != '\n') {
		ssize_t n;

		err = wait_readable(c->from, seconds);
		if (!err)
			err = vector_reserve(&line, line.count + 65536);
		if (err)
			break;
		n = read(c->from, line.items + line.count, 65536);
		if (n <= 0) {
			err = n ? -errno : -EPIPE;
			break;
		}
		line.count += n;
	}
	if (err) {
		vector_release(&line);
		return err;
	}
	line.items[line.count - 1] = 0;
	*ret = line.items;
	return 0;
}

int child__report(const struct child *c, int seconds, char **ret)
{
	return kill(c->pid, SIGUSR1) ? -errno : child__read_line(c, seconds, ret);
}

int child__start_attached(const char *const *tool, const char *const *words, int cpu, int seconds,
			  struct child *ret)
{
	CLEANUP_FREE char *line = NULL;
	VECTOR(const char *) argv = {0};
	static const char *const common[] = {"-qfjson", "-i3600"};
	size_t i;
	int err = 0;

	for (; *tool && !err; tool++)
		err = vector_push(&argv, *tool);
	for (i = 0; i < ARRAY_SIZE(common) && !err; i++)
		err = vector_push(&argv, common[i]);
	for (; *words && !err; words++)
		err = vector_push(&argv, *words);
	if (!err)
		err = vector_push(&argv, NULL);
	if (!err)
		err = child__start_tool((char *const *)argv.items, cpu, ret);
	vector_release(&argv);
	if (!err)
		err = wait_listening(ret, seconds);
	return err ? err : child__report(ret, seconds, &line);
}

/* Whether it has ended; it is not reaped, so that its group's number stays its own. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

int child__start_waiting(char *const *argv, const char *const environment[2], int cpu,
			 struct child *ret)
{
	int gate[2];
	char go;
	pid_t pid;

	if (pipe2(gate, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		settle(cpu);
		close(gate[1]);
		if (environment && environment[0])
			setenv(environment[0], environment[1], 1);
		send_to_null(STDIN_FILENO);
		send_to_null(STDOUT_FILENO);
		send_to_null(STDERR_FILENO);
		if (read(gate[0], &go, 1) != 1)
			_exit(127);
		execute(argv);
	}
	close(gate[0]);
	if (pid < 0) {
		close(gate[1]);
		return -EAGAIN;
	}
	*ret = (struct child){.pid = pid, .to = gate[1], .from = -1};
	return 0;
}

int child__start_piped(char *const *argv, int cpu, struct child *ret)
{
	CLEANUP_CLOSE int in = -1, in_end = -1, out = -1, out_end = -1;
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	in = pipes[0];
	in_end = pipes[1];
	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	out_end = pipes[0];
	out = pipes[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		settle(cpu);
		dup2(in, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		execute(argv);
	}
	*ret = (struct child){.pid = pid, .to = TAKE_FD(in_end), .from = TAKE_FD(out_end)};
	return 0;
}

int child__let_go(struct child *c)
{
	return write(c->to, "", 1) == 1 ? 0 : -EPIPE;
}

int child__wait(struct child *c, int seconds, int *status, struct rusage *usage)
{
	time_t end = time(NULL) + seconds;
	int err = 0;

	while (!err && !has_ended(c->pid))
		err = time(NULL) > end ? -ETIME : nap();
	if (err)
		return err;
	kill(-c->pid, SIGKILL);
	if (wait4(c->pid, status, 0, usage) < 0)
		return -errno;
	close_pipes(c);
	c->pid = 0;
	return 0;
}

int child__wait_asleep(const struct child *c, int seconds)
{
	time_t end = time(NULL) + seconds;
	int err = 0;
	char state = 0;

	while (!err) {
		CLEANUP_FCLOSE FILE *f = NULL;
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/stat", c->pid);
		f = fopen(path, "re");
		if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1 || state == 'Z')
			return -ECHILD;
		if (state == 'S')
			return 0;
		err = time(NULL) > end ? -ETIME : nap();
	}
	return err;
}

int child__wait_for(const struct child *c, bool (*fn)(const char *path), const char *path,
		    int seconds)
{
	time_t end = time(NULL) + seconds;
	int err = 0;

	while (!err && !fn(path))
		err = has_ended(c->pid) ? -ECHILD : time(NULL) > end ? -ETIME : nap();
	return err;
}

static unsigned int count_files(pid_t pid)
{
	CLEANUP_CLOSEDIR DIR *d = NULL;
	unsigned int n = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	return n;
}

/* Less than a tool with its maps, programs and probes has open. */
#define LEAST_FILES 16

int child__wait_settled(const struct child *c, int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned int had = 0, n = 0, same = 0;

	while (same < 100) {
		int err = has_ended(c->pid) ? -ECHILD : time(NULL) > end ? -ETIME : nap();

		if (err)
			return err;
		n = count_files(c->pid);
		same = n == had && n >= LEAST_FILES ? same + 1 : 0;
		had = n;
	}
	return 0;
}

int child__run_quietly(char *const *argv, int cpu)
{
	struct child c = {0};
	struct rusage usage;
	int status, err = child__start_waiting(argv, NULL, cpu, &c);

	if (!err)
		err = child__let_go(&c);
	if (!err)
		err = child__wait(&c, ANSWER_SECONDS, &status, &usage);
	child__stop(&c, SIGKILL);
	return !err && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool child__knows_mode(const char *const *command, const char *const mode[2])
{
	const char *argv[MAX_WORDS] = {NULL};
	size_t n = 0, i;

	for (i = 0; command[i] && n < MAX_WORDS - 5; i++)
		argv[n++] = command[i];
	for (i = 0; i < 2 && mode[i]; i++)
		argv[n++] = mode[i];
	argv[n++] = "--";
	argv[n++] = "/bin/true";
	return child__run_quietly((char *const *)argv, -1) == 0;
}

bool child__is_on_path(const char *command)
{
	const char *path = getenv("PATH");
	CLEANUP_FREE char *copy = strdup(path ? path : "");
	char *save = NULL, *part, file[4096];

	if (strchr(command, '/'))
		return !access(command, X_OK);
	if (!copy)
		return false;
	for (part = strtok_r(copy, ":", &save); part; part = strtok_r(NULL, ":", &save)) {
		snprintf(file, sizeof(file), "%s/%s", part, command);
		if (!access(file, X_OK))
			return true;
	}
	return false;
}

void child__stop(struct child *c, int signal)
{
	time_t end = time(NULL) + STOP_SECONDS;

	if (!c->pid)
		return;
	/* What it still prints is not wanted, and must not hold it up. */
	close_pipes(c);
	if (signal)
		kill(c->pid, signal);
	while (!has_ended(c->pid) && time(NULL) <= end)
		nap();
	kill(-c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
}

/* Until whoever opens it for writing closes it again. */
static int wait_at(const char *gate)
{
	CLEANUP_CLOSE int fd = open(gate, O_RDONLY | O_CLOEXEC);
	char nothing;

	return fd >= 0 && read(fd, &nothing, 1) == 0 ? 0 : -EIO;
}

int child__open_gate(const struct child *c, const char *gate, int seconds)
{
	time_t end = time(NULL) + seconds;
	int fd = -ENXIO, err = 0;

	while (fd == -ENXIO && !err) {
		fd = open(gate, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
		if (fd == -ENXIO) /* nobody has it open: fifo(7) */
			err = has_ended(c->pid) ? -ECHILD : time(NULL) > end ? -ETIME : nap();
	}
	return err ? err : fd;
}

int child__time(char **argv)
{
	struct rusage usage;
	int status, i;
	FILE *f;
	pid_t pid;

	for (i = 0; i < 5; i++)
		if (!argv[i])
			return 2;
	for (i = atoi(argv[3]); i > 0; i--) {
		pid = fork();
		if (!pid)
			execute(argv + 4);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return 2;
	}
	pid = fork();
	if (!pid) {
		settle(atoi(argv[2]));
		if (wait_at(argv[1]))
			_exit(2);
		execute(argv + 4);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status))
		return 2;
	f = fopen(argv[0], "we");
	if (!f)
		return 2;
	fprintf(f, "%.6f\n",
		usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
			(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	return fclose(f) ? 2 : WEXITSTATUS(status);
}
