#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""frames.py REPORT COMMAND...: the frames of one allocation, as the tool and as gdb see them.

REPORT is the tool's JSON report of COMMAND, which makes one allocation of MARK bytes (54321 or a few
more). gdb runs COMMAND, stops at that allocation and walks the stack; the tool's frames must be
gdb's, by module and address, as far as gdb goes (main, or the end of the stack).
"""
import json
import os
import subprocess
import sys
import tempfile

MARK = 54321

GDB_SCRIPT = r"""
import gdb, json, os, struct

def segments(path):
    with open(path, "rb") as f:
        data = f.read(64)
        phoff, = struct.unpack_from("<Q", data, 32)
        entsize, count = struct.unpack_from("<HH", data, 54)
        f.seek(phoff)
        table = f.read(entsize * count)
    for i in range(count):
        kind, _, offset, vaddr, _, filesz = struct.unpack_from("<IIQQQQ", table, i * entsize)
        if kind == 1:
            yield offset, vaddr, filesz

def locate(pid, pc):
    for line in open("/proc/%d/maps" % pid):
        fields = line.split(None, 5)
        start, end = (int(x, 16) for x in fields[0].split("-"))
        if not start <= pc < end:
            continue
        if len(fields) < 6 or not fields[5].startswith("/"):
            return [None, pc]
        path = fields[5].strip()
        offset = pc - start + int(fields[2], 16)
        for seg_offset, vaddr, filesz in segments(path):
            if seg_offset <= offset < seg_offset + filesz:
                return [os.path.realpath(path), offset - seg_offset + vaddr]
    return [None, pc]

class AtMalloc(gdb.Breakpoint):
    def stop(self):
        return MARK <= int(gdb.parse_and_eval("$rdi")) < MARK + 200

gdb.execute("set confirm off")
gdb.execute("set pagination off")
gdb.execute("set breakpoint pending on")
gdb.execute("set debuginfod enabled off", to_string=True)
gdb.execute("handle SIGUSR1 SIGILL nostop noprint pass", to_string=True)
gdb.execute("starti", to_string=True)
gdb.execute("set stop-on-solib-events 1")
while True:
    try:
        AtMalloc("*malloc")
        break
    except gdb.error:
        gdb.execute("continue", to_string=True)
gdb.execute("set stop-on-solib-events 0")
gdb.execute("continue", to_string=True)
pid = gdb.selected_inferior().pid
frames = []
frame = gdb.newest_frame().older()
while frame is not None:
    if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
        frames.append(locate(pid, frame.pc()) + [frame.name()])
    frame = frame.older()
with open(os.environ["FRAMES_OUT"], "w") as f:
    json.dump(frames, f)
gdb.execute("kill")
"""


def gdb_frames(command):
    with tempfile.TemporaryDirectory() as work:
        script = os.path.join(work, "frames.py")
        out = os.path.join(work, "out")
        with open(script, "w") as f:
            f.write("MARK = %d\n" % MARK + GDB_SCRIPT)
        env = dict(os.environ, FRAMES_OUT=out)
        env.pop("LD_PRELOAD", None)
        run = subprocess.run(["gdb", "-q", "-nx", "-batch", "-x", script, "--args"] + command,
                             env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=100, check=False)
        if not os.path.exists(out):
            sys.exit("gdb gave no frames:\n" + run.stdout)
        with open(out) as f:
            return json.load(f)


def tool_frames(path):
    with open(path) as f:
        last = json.loads(f.read().splitlines()[-1])
    for process in last["processes"]:
        for stack in process["stacks"]:
            if MARK <= stack["bytes"] < MARK + 200:
                return [[f["module"] and os.path.realpath(f["module"]), int(f["pc"], 16), f["symbol"]]
                        for f in stack["frames"] if not f["inlined"]]
    sys.exit("the tool reported no block of that size")


def main():
    ours = tool_frames(sys.argv[1])
    theirs = gdb_frames(sys.argv[2:])
    # What gdb shows of operator new is no caller.
    while theirs and theirs[0][2] and theirs[0][2].startswith("operator new"):
        theirs.pop(0)
    # A stripped file: the walk in operator new has no name there, but the tool's frames begin later.
    while theirs and ours and theirs[0][:2] != ours[0][:2] and theirs[0][2] is None:
        theirs.pop(0)
    # Where gdb has no debug information it may go on behind the last frame.
    while theirs and theirs[-1][0] is None:
        theirs.pop()
    same = sum(1 for a, b in zip(ours, theirs) if a[:2] == b[:2])
    if not theirs or same != len(theirs):
        for i in range(max(len(ours), len(theirs))):
            a = ours[i] if i < len(ours) else ["-", 0, ""]
            b = theirs[i] if i < len(theirs) else ["-", 0, ""]
            print("%s %-40s %#x | gdb %-40s %#x" % ("  " if a[:2] == b[:2] else "!!", a[2], a[1],
                                                   b[2], b[1]))
        sys.exit("frames differ from gdb's: %d of %d equal" % (same, len(theirs)))
    print("%d frames equal to gdb's" % same)


main()
