// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/confine.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/log.h"
#include "util/text.h"

/* Somebody makes files to kill helpers, and each took its time: enough of that. */
#define MAX_DEATHS 16
/* Lines that one request may say. */
#define MAX_LINES 16
#define MAX_LINE  1024

struct sandbox {
	int socket; /* -1: no helper runs */
	int pidfd;  /* others may wait for it: its number may be somebody else's then */
	pid_t pid;
	struct hash refused; /* (inode, device): files that a helper died of */
	uint64_t unread;
	unsigned int deaths;
	bool over; /* no more helpers */
};

/* The environment is nobody's business but the loader's. */
static const char *const kept[] = {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS",
				   "MEMLEAK_BPF_READER_FAULT"};

static void set_environment(char *env[ARRAY_SIZE(kept) + 1])
{
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(kept); i++) {
		char *value = secure_getenv(kept[i]);

		if (value) /* NAME=VALUE, as it stands in our own */
			env[n++] = value - strlen(kept[i]) - 1;
	}
	env[n] = NULL;
}

static int spawn(int socket, pid_t *pid)
{
	char *env[ARRAY_SIZE(kept) + 1], *argv[] = {(char[]){SANDBOX_NAME}, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	set_environment(env);
	sigemptyset(&none);
	sigfillset(&all);
	err = posix_spawn_file_actions_init(&actions);
	if (err)
		return -err;
	err = posix_spawnattr_init(&attr);
	if (!err) {
		/* Signals of the terminal are the tool's: a session of its own. */
		err = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
							      POSIX_SPAWN_SETSIGDEF);
		if (!err)
			err = posix_spawnattr_setsigmask(&attr, &none);
		if (!err)
			err = posix_spawnattr_setsigdefault(&attr, &all);
		if (!err)
			err = posix_spawn_file_actions_adddup2(&actions, socket, CONFINE_SOCKET);
		if (!err)
			err = posix_spawn(pid, "/proc/self/exe", &actions, &attr, argv, env);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

static int start(struct sandbox *s)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	err = spawn(pair[1], &s->pid);
	close(pair[1]);
	if (err) {
		close(pair[0]);
		s->pid = 0;
		return err;
	}
	s->socket = pair[0];
	s->pidfd = pidfd_open(s->pid, 0);
	if (s->pidfd >= 0)
		return 0;
	err = -errno;
	cleanup_close(&s->socket); /* it ends by itself */
	s->socket = -1;
	return err;
}

int sandbox__create(struct sandbox **ret)
{
	struct sandbox *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->socket = -1;
	err = start(s);
	if (err) {
		log_error("cannot start the process that reads symbols: %s", strerror(-err));
		sandbox__destroy(s);
		return err;
	}
	*ret = s;
	return 0;
}

/* End the helper; the signal that it had ended by, 0 where none or where it is not known. */
static int stop(struct sandbox *s)
{
	siginfo_t info = {0};

	if (s->socket < 0)
		return 0;
	close(s->socket);
	s->socket = -1;
	pidfd_send_signal(s->pidfd, SIGKILL, NULL, 0); /* nothing where it has ended */
	if (waitid(P_PIDFD, s->pidfd, &info, WEXITED))
		info.si_code = 0; /* somebody else has waited for it */
	close(s->pidfd);
	s->pid = 0;
	return info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED ? info.si_status : 0;
}

void sandbox__destroy(struct sandbox *s)
{
	if (!s)
		return;
	stop(s);
	hash__release(&s->refused);
	free(s);
}

/* --- files that it died of --- */

static bool identify(int fd, uint64_t key[2])
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return false;
	key[0] = st.st_ino;
	key[1] = st.st_dev;
	return true;
}

static bool is_refused(const struct sandbox *s, int fd)
{
	uint64_t key[2];

	return s->over ||
	       (identify(fd, key) && hash__get(&s->refused, key[0], key[1]) != HASH_NONE);
}

static void refuse(struct sandbox *s, int fd)
{
	uint64_t key[2];

	s->unread++;
	/* Without memory for that, the next helper dies of it too: of a limited number. */
	if (identify(fd, key))
		hash__set(&s->refused, key[0], key[1], 0);
}

static const char *describe(int err, int signal, char *buf, size_t size)
{
	if (err == -ETIMEDOUT)
		return "took too long";
	if (err == -EPROTO)
		return "answered what makes no sense";
	if (signal == SIGSYS)
		return "was ended for a system call that it may not make";
	if (!signal || signal == SIGKILL)
		return "ended";
	snprintf(buf, size, "was ended by signal %d", signal);
	return buf;
}

/* The helper has failed on @call's file. */
static int bury(struct sandbox *s, const struct sandbox_call *call, int err)
{
	int signal = stop(s);
	char buf[64];

	refuse(s, call->fd);
	s->deaths++;
	if (call->vital)
		log_error("cannot read '%s': the process that reads files %s", call->shown,
			  describe(err, signal, buf, sizeof(buf)));
	else if (s->deaths == 1)
		log_warning("the process that reads symbols %s on %s: names and stacks of this "
			    "file will be missing; the run goes on",
			    describe(err, signal, buf, sizeof(buf)), call->shown);
	else
		log_info("the process that reads symbols %s on %s",
			 describe(err, signal, buf, sizeof(buf)), call->shown);
	if (s->deaths == MAX_DEATHS) {
		s->over = true;
		log_warning("the process that reads symbols has died %d times: no more files are "
			    "read",
			    MAX_DEATHS);
	}
	return -EOWNERDEAD;
}

/* --- a call --- */

static void print_line(struct wire *w, unsigned int *lines)
{
	enum log_level level = wire__get_number(w, LOG_LEVEL_DEBUG);
	const char *text = wire__get_string(w, MAX_LINE);
	char clean[MAX_LINE];

	if (!text || ++*lines > MAX_LINES)
		return;
	snprintf(clean, sizeof(clean), "%s", text);
	text__clean(clean, sizeof(clean) - 1);
	log__print(level, "%s", clean);
}

static int answer(struct sandbox *s, const struct sandbox_call *call, struct wire *question,
		  int64_t deadline)
{
	CLEANUP(wire__release) struct wire w = {0};
	CLEANUP_CLOSE int fd = -1;
	uint32_t note = 0;

	fd = call->ask ? call->ask(call->context, question, &note) : -EPROTO;
	if (fd == -EPROTO)
		return fd;
	wire__put_number(&w, fd < 0 ? -fd : 0);
	wire__put_number(&w, note);
	return channel__send(s->socket, CHANNEL_ANSWER, &w, fd, deadline);
}

/* What came: 1 where it was the last of it, 0, or -errno. */
static int take(struct sandbox *s, const struct sandbox_call *call, uint32_t type, struct wire *w,
		unsigned int *lines, int64_t *deadline)
{
	int err;

	switch (type) {
	case CHANNEL_REPLY:
		return 1;
	case CHANNEL_LOG:
		print_line(w, lines);
		return w->failed ? -EPROTO : 0;
	case CHANNEL_PART:
		err = call->part ? call->part(call->context, w) : -EPROTO;
		/* It gets on: there is only so much to get on with. */
		*deadline = channel__now_ms() + call->limit_s * 1000LL;
		return err;
	case CHANNEL_ASK:
		err = answer(s, call, w, *deadline);
		*deadline = channel__now_ms() + call->limit_s * 1000LL;
		return err;
	}
	return -EPROTO;
}

/* Questions of one request: a debug file has a handful of places to be, in two roots. */
#define MAX_ASKED 256

static int converse(struct sandbox *s, const struct sandbox_call *call, struct wire *w)
{
	int64_t deadline = channel__now_ms() + call->limit_s * 1000LL;
	unsigned int lines = 0, asked = 0;
	int err = channel__send(s->socket, CHANNEL_REQUEST + call->kind, call->request, call->fd,
				deadline);

	while (!err) {
		uint32_t type;

		err = channel__receive(s->socket, &type, w, NULL, deadline);
		if (!err && type == CHANNEL_ASK && ++asked > MAX_ASKED)
			err = -EPROTO;
		if (!err)
			err = take(s, call, type, w, &lines, &deadline);
	}
	return err > 0 ? 0 : err;
}

int sandbox__call(struct sandbox *s, const struct sandbox_call *call, struct wire *reply)
{
	int err = 0;

	if (is_refused(s, call->fd))
		return -EOWNERDEAD;
	if (call->request->failed)
		return -ENOMEM;
	if (s->socket < 0)
		err = start(s);
	if (err) {
		s->over = true;
		log_warning("cannot start the process that reads symbols again (%s): no more files "
			    "are read",
			    strerror(-err));
		return -EOWNERDEAD;
	}
	err = converse(s, call, reply);
	if (err == -ENOMEM) {
		stop(s); /* in the middle of an answer: what comes next would be the rest of it */
		return err;
	}
	return err ? bury(s, call, err) : 0;
}

int sandbox__distrust(struct sandbox *s, const struct sandbox_call *call)
{
	return bury(s, call, -EPROTO);
}

uint64_t sandbox__unread(const struct sandbox *s)
{
	return s->unread;
}

pid_t sandbox__pid(const struct sandbox *s)
{
	return s->pid;
}
