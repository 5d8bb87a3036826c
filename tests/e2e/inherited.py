# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program was given by whoever started it, one line each."""

import ctypes
import os
import resource
import signal

PR_GET_SECUREBITS, PR_GET_KEEPCAPS = 27, 7

libc = ctypes.CDLL(None)
for line in open("/proc/self/status"):
    if line.startswith(("Cap", "NoNewPrivs", "Seccomp:", "SigB", "SigI", "Uid", "Gid", "Groups", "Umask")):
        print(line.strip())
print("securebits", libc.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0))
for name in sorted(dir(resource)):
    if name.startswith("RLIMIT_"):
        print(name, resource.getrlimit(getattr(resource, name)))
print("nice", os.nice(0))
print("process group", os.getpgid(0) == os.getpgid(os.getppid()))
print("directory", os.getcwd())
for fd in sorted(int(n) for n in os.listdir("/proc/self/fd")):
    try:
        print("descriptor", fd, os.readlink(f"/proc/self/fd/{fd}"))
    except OSError:
        pass  # that of the listing itself
print("environment", {k: v for k, v in os.environ.items() if k not in ("_",)})
