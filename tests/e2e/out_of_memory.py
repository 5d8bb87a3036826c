#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
out_of_memory.py LIBRARY [--stride K] [--first N] [--same] [--after COMMAND] -- COMMAND...

Runs the command with its N-th allocation failing, for each N (every K-th), once that one alone and once all
that follow too. It must either do its work (status 0; with --same, print what it prints otherwise), or
say in one to five lines why not and print nothing (status 1). It must not crash, hang or leave a temporary
file in the current folder. After each run the shell command of --after must succeed: it looks whether the
target is unharmed.
"""
import argparse
import glob
import os
import subprocess
import sys

p = argparse.ArgumentParser()
p.add_argument("library")
p.add_argument("--stride", type=int, default=1)
p.add_argument("--first", type=int, default=1)
p.add_argument("--same", action="store_true")
p.add_argument("--alone", action="store_true", help="not with all that follow")
p.add_argument("--after")
p.add_argument("command", nargs="+")
o = p.parse_args()

COUNT = "allocations"
MESSAGES = 5


def run(n, more=False):
    env = dict(os.environ, LD_PRELOAD=os.path.abspath(o.library), FAULTS_IN="memleak-bpf",
               FAULTS_ALLOC=str(n), FAULTS_MORE=str(int(more)), FAULTS_COUNT=COUNT)
    r = subprocess.run(o.command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return r.returncode, r.stdout, r.stderr.decode(errors="replace")


def judge(status, out, err, expected):
    lines = err.count("\n")
    if status == 0:
        if o.same and out != expected and not err:
            return "prints something else, and does not say so"
    elif status != 1:
        return f"status {status}"
    elif out:
        return "failed, and printed a report"
    elif not 1 <= lines <= MESSAGES:
        return f"failed with {lines} lines"
    if glob.glob(".memleak-bpf-*"):
        return "left a temporary file"
    if o.after and subprocess.run(o.after, shell=True).returncode:
        return "the target was harmed"
    return None


status, expected, err = run(0)
if status or (o.after and subprocess.run(o.after, shell=True).returncode):
    sys.exit(f"fails even with memory: status {status}\n{err}")
total = int(open(COUNT).read())
bad = done = failed = 0
for n in range(o.first, total + 1, o.stride):
    for more in (False,) if o.alone else (False, True):
        status, out, err = run(n, more)
        done += 1
        failed += status != 0
        why = judge(status, out, err, expected)
        if why:
            bad += 1
            print(f"allocation {n}{' and all that follow' if more else ''}: {why}")
            print("    " + err.strip()[:600].replace("\n", "\n    "))
            if bad == 20:
                sys.exit("and so on")
print(f"{total} allocations, {done} runs, {failed} said that they could not")
sys.exit(bad != 0)
