#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Does this kernel, or this container, allow BPF and uprobes at all?

Asks the kernel itself, so that a tool that fails for reasons of its own is not excused: loads a
program of two instructions. Ends with 0 if it may, otherwise with 1 and the reason.
"""

import ctypes
import os
import platform
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}
BPF_PROG_LOAD = 5
BPF_PROG_TYPE_KPROBE = 2


class ProgLoad(ctypes.Structure):
    """The beginning of union bpf_attr, as far as BPF_PROG_LOAD needs it."""

    _fields_ = [
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_uint64),
        ("license", ctypes.c_uint64),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_uint64),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
    ]


def main():
    number = SYS_BPF.get(platform.machine())
    if number is None:
        sys.exit(f"not known on {platform.machine()}")
    code = ctypes.create_string_buffer(b"\xb7" + bytes(7) + b"\x95" + bytes(7))  # r0 = 0; exit
    name = ctypes.create_string_buffer(b"GPL")
    attr = ProgLoad(BPF_PROG_TYPE_KPROBE, 2, ctypes.addressof(code), ctypes.addressof(name))
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, BPF_PROG_LOAD, ctypes.byref(attr), ctypes.sizeof(attr))
    if fd < 0:
        sys.exit(f"bpf(2) is refused: {os.strerror(ctypes.get_errno())}")
    os.close(fd)
    for path in ("/sys/kernel/btf/vmlinux", "/sys/bus/event_source/devices/uprobe/type"):
        if not os.path.exists(path):
            sys.exit(f"{path} is missing")


main()
