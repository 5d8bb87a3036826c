#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
soak.py TOOL PROGRAMS SECONDS [-A | --cgroup]

Runs the tool, with a leak check in every report, over processes, threads and libraries that come and go
(tests/programs/soak.c). -A watches the whole machine, which has to be quiet otherwise: others bring their
stacks and files, which take memory, and may fill a table. --cgroup watches a group of their own, on copies of
the C library of their own: nobody else runs into a probe.

At the end
  - each report adds up: allocations less frees are the blocks outstanding, which are those of the stacks (of
    a process that ended: while it runs, a leak check shows it at another moment than its counters are read);
  - what the processes that ended had lost is, to the block, what they say;
  - with --cgroup, at most one stack in a thousand ends early;
  - the tool's memory and that of its tables in the kernel are what they were after a third of the time, but
    for the little that is remembered of each process that ended.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

RSS_SLACK = 8 << 20
RSS_PROCESS = 256  # the final report lists every process that ended; these have some six stacks each
KERNEL_SLACK = 1 << 20
INTERVAL = 2

tool, programs, seconds, mode = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
folder = tempfile.mkdtemp(prefix="memleak-soak-")
report = os.path.join(folder, "report")
failures = []
counted = {"bytes": 0, "reports": 0}


def check(what, good):
    print(f"  {'ok  ' if good else 'FAIL'}  {what}")
    if not good:
        failures.append(what)


def wait_until(what, condition, limit=60):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"waited in vain for {what}")
        time.sleep(0.05)


def private_copy():
    """The program, its loader and its libraries, in our folder."""
    program = shutil.copy(os.path.join(programs, "soak"), folder)
    plugin = shutil.copy(os.path.join(programs, "libplugin_a.so"), folder)
    text = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for word in text.split():
        if word.startswith("/"):
            shutil.copy(word, folder)
            if "ld-linux" in word:
                loader = os.path.join(folder, os.path.basename(word))
    subprocess.run(["patchelf", "--set-interpreter", loader, "--set-rpath", folder, program], check=True)
    return program, plugin


def memory_of_maps(pid):
    """Bytes that the kernel accounts for the BPF maps of a process."""
    total = 0
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}") as f:
                info = dict(line.split(":", 1) for line in f if ":" in line)
        except OSError:
            continue
        if "map_id" in info:
            total += int(info["memlock"])
    return total


def rss(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS"))


def reports():
    """How many there are. Of the whole machine they are gigabytes: what was counted before is not read again."""
    try:
        with open(report, "rb") as f:
            f.seek(counted["bytes"])
            for line in f:
                if not line.endswith(b"\n"):
                    break
                counted["bytes"] += len(line)
                counted["reports"] += 1
    except FileNotFoundError:
        pass
    return counted["reports"]


def ask_report():
    had = reports()
    os.kill(profiler.pid, signal.SIGUSR1)
    wait_until("a report", lambda: reports() > had)


def sample():
    ask_report()
    return rss(profiler.pid), memory_of_maps(profiler.pid)


def lost_by(process):
    """Blocks that soak_leak lost, and those that nobody can tell whose they are: counted as broken stacks."""
    first = [(s["frames"][0]["symbol"] if s["frames"] else None, s["blocks"]) for s in process["stacks"]]
    return sum(n for name, n in first if name == "soak_leak"), sum(n for name, n in first if name is None)


def judge(truth):
    unequal = odd = lost = nameless = processes = seen = allocs = 0
    losses = {}
    with open(report) as f:
        for line in f:
            r = json.loads(line)
            seen += 1
            for name, n in r["losses"].items():
                losses[name] = max(losses.get(name, 0), n)
            for p in r["processes"]:
                heap = sum(s["blocks"] for s in p["stacks"] if s["family"] != "mmap")
                allocs += p["allocs"] if r["final"] else 0
                unequal += p["allocs"] - p["frees"] != p["outstanding"]["blocks"]
                odd += not p["running"] and not r["final"] and heap != p["outstanding"]["blocks"]
                if not p["running"] and not r["final"] and p["exe"] == program and p["pid"] != target.pid:
                    processes += 1
                    named, unnamed = lost_by(p)
                    lost += named
                    nameless += unnamed
    print(f"  {seen} reports; losses: {losses}")
    check("allocations less frees are what is outstanding", not unequal)
    check(f"stacks add up to it: {odd} processes of which they do not", not odd)
    check(f"processes that ended: {processes} reported, {truth['processes']} there were",
          processes == truth["processes"])
    check(f"blocks they had lost: {lost} reported, {nameless} without a stack, {truth['lost']} there were",
          lost <= truth["lost"] <= lost + nameless)
    # Of programs that nobody else has, until the tool has their tables.
    if group:
        check(f"stacks that end early: {losses['broken_stacks']} of {allocs}", losses["broken_stacks"] <= allocs / 1000)
    check("nothing was lost on the way", not any(losses[n] for n in ("blocks", "frees", "stacks", "events")))


group = None
if mode == "--cgroup":
    program, plugin = private_copy()
    with open("/proc/mounts") as f:
        root = next(line.split()[1] for line in f if line.split()[2] == "cgroup2")
    group = f"{root}/memleak-soak-{os.getpid()}"
    os.mkdir(group)
else:
    program, plugin = os.path.join(os.path.realpath(programs), "soak"), os.path.join(programs, "libplugin_a.so")


def join_group():
    if group:
        with open(f"{group}/cgroup.procs", "w") as f:
            f.write(str(os.getpid()))


target = subprocess.Popen([program, plugin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=join_group)
what = ["--cgroup", group] if group else ["-A"]
profiler = subprocess.Popen([tool, "-f", "json", "-o", "0", "-T", "1000000", "--leak-check=each", "--output", report,
                             *what, str(INTERVAL)], stderr=open(os.path.join(folder, "said"), "w"))
try:
    wait_until("the first report", lambda: reports() or profiler.poll() is not None)
    target.stdin.write(b"\n")
    target.stdin.flush()
    time.sleep(seconds / 3)
    early = sample()
    time.sleep(seconds * 2 / 3)
    if target.poll() is not None:
        sys.exit(f"the target ended by itself: {target.returncode}")
    target.stdin.close()
    wait_until("the target's end", lambda: target.poll() is not None)
    truth = json.loads(target.stdout.read())
    sample()
    late = sample()
    profiler.send_signal(signal.SIGINT)
    profiler.wait(300)
    print(f"{seconds:.0f} s: {truth}")
    print(f"  the tool: {early[0] >> 10} KiB, later {late[0] >> 10}; tables: {early[1] >> 10} KiB, later {late[1] >> 10}")
    check("the tool ended well", profiler.returncode == 0)
    with open(os.path.join(folder, "said")) as f:
        said = f.read()
    # What ends while it is looked at has just ended.
    check("no check was missed", "no leak check" not in said)
    sys.stdout.write(said[-2000:])
    judge(truth)
    since = truth["processes"] * 2 // 3
    check("the tool's memory is flat", late[0] <= early[0] + RSS_SLACK + RSS_PROCESS * since)
    check("the kernel's memory is flat", late[1] <= early[1] + KERNEL_SLACK)
finally:
    for process in (profiler, target):
        if process.poll() is None:
            process.kill()
            process.wait()
    if group:
        wait_until("the group's end", lambda: not open(f"{group}/cgroup.procs").read())
        os.rmdir(group)
    if failures:
        print(f"the reports are in {folder}")
    else:
        shutil.rmtree(folder)
sys.exit(bool(failures))
