// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"

struct frame {
	uint32_t type, size;
};

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr header;
};

int64_t channel__now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Without a deadline the socket itself blocks. */
static int await(int socket, short events, int64_t deadline_ms)
{
	struct pollfd p = {.fd = socket, .events = events};
	int n;

	if (!deadline_ms)
		return 0;
	do {
		int64_t left = deadline_ms - channel__now_ms();

		n = left > 0 ? poll(&p, 1, left) : 0;
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

static int send_all(int socket, struct msghdr *m, int64_t deadline_ms)
{
	while (m->msg_iovlen) {
		int err = await(socket, POLLOUT, deadline_ms);
		ssize_t n;

		if (err)
			return err;
		n = sendmsg(socket, m, MSG_NOSIGNAL | (deadline_ms ? MSG_DONTWAIT : 0));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		m->msg_control = NULL; /* went along with the first byte */
		m->msg_controllen = 0;
		while (m->msg_iovlen && (size_t)n >= m->msg_iov->iov_len) {
			n -= m->msg_iov->iov_len;
			m->msg_iov++;
			m->msg_iovlen--;
		}
		if (m->msg_iovlen) {
			m->msg_iov->iov_base = (char *)m->msg_iov->iov_base + n;
			m->msg_iov->iov_len -= n;
		}
	}
	return 0;
}

int channel__send(int socket, uint32_t type, const struct wire *w, int fd, int64_t deadline_ms)
{
	struct frame f = {.type = type, .size = w->size};
	struct iovec parts[] = {{&f, sizeof(f)}, {w->bytes, w->size}};
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts)};
	union control control = {0};

	if (w->failed)
		return -ENOMEM;
	if (w->size > CHANNEL_LIMIT)
		return -EMSGSIZE;
	if (fd >= 0) {
		control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	return send_all(socket, &m, deadline_ms);
}

/* The descriptor in a message; there is room for one only. */
static int take_fd(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int receive_all(int socket, void *to, size_t size, int *fd, int64_t deadline_ms)
{
	size_t done = 0;

	while (done < size) {
		union control control;
		struct iovec part = {(char *)to + done, size - done};
		struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
		int err = await(socket, POLLIN, deadline_ms);
		ssize_t n;

		if (err)
			return err;
		if (fd && *fd < 0) {
			m.msg_control = &control;
			m.msg_controllen = sizeof(control);
		}
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC | (deadline_ms ? MSG_DONTWAIT : 0));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n ? -errno : -EPIPE;
		if (m.msg_controllen)
			*fd = take_fd(&m);
		done += n;
	}
	return 0;
}

/* In pieces: a size that is a lie costs no memory. */
#define PIECE (1UL << 20)

static int receive_body(int socket, struct wire *w, size_t size, int64_t deadline_ms)
{
	while (w->size < size) {
		size_t n = size - w->size < PIECE ? size - w->size : PIECE;
		size_t capacity = w->size + n > 2 * w->capacity ? w->size + n : 2 * w->capacity;
		int err;

		if (w->capacity - w->size < n) {
			uint8_t *grown = realloc(w->bytes, capacity);

			if (!grown)
				return -ENOMEM;
			w->bytes = grown;
			w->capacity = capacity;
		}
		err = receive_all(socket, w->bytes + w->size, n, NULL, deadline_ms);
		if (err)
			return err;
		w->size += n;
	}
	return 0;
}

int channel__receive(int socket, uint32_t *type, struct wire *w, int *fd, int64_t deadline_ms)
{
	struct frame f;
	int err;

	wire__clear(w);
	if (fd)
		*fd = -1;
	err = receive_all(socket, &f, sizeof(f), fd, deadline_ms);
	if (!err && f.size > CHANNEL_LIMIT)
		err = -EPROTO;
	if (!err)
		err = receive_body(socket, w, f.size, deadline_ms);
	if (err && fd) {
		cleanup_close(fd);
		*fd = -1;
	}
	if (!err)
		*type = f.type;
	return err;
}
