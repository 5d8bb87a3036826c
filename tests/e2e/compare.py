#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare what memleak-bpf reported with what the program itself, or Valgrind, says.

compare.py truth EXPECT VALGRIND_DIR         the programs' truth is Valgrind's
compare.py report REPORT EXPECT              the final report is the programs' truth
compare.py report REPORT EXPECT --valgrind DIR   the same, totals from Valgrind where it knows better
compare.py valgrind REPORT DIR               the final report of one process has Valgrind's totals
compare.py leaks REPORT DIR                  the final report has Valgrind's leaks, category by category
compare.py sane REPORT                       only what must hold for every report

Prints one line a difference; the exit status is 1 if there is one.
"""

import argparse
import glob
import json
import os
import re
import subprocess
import sys

ALLOCATORS = re.compile(
    r"^(__libc_|__GI_|__GI___|_)?(malloc|calloc|realloc|reallocarray|memalign|valloc|pvalloc|"
    r"aligned_alloc|posix_memalign|mmap|mmap64|mremap|free)$|^operator (new|delete)|^_Zn[wa]"
)
LOSSES = ("blocks", "frees", "stacks", "truncated_stacks", "broken_stacks")
SUMS = ("allocs", "frees", "alloc_bytes")

# Valgrind's words for the kinds.
LEAK_KINDS = {
    "definite": "definitely lost",
    "indirect": "indirectly lost",
    "possible": "possibly lost",
    "reachable": "still reachable",
    "suppressed": "suppressed",
}

problems = []


def wrong(text):
    problems.append(text)


def same(what, got, expected):
    if got != expected:
        wrong(f"{what}: {got}, expected {expected}")


def load_lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def load_valgrind(directory):
    """{pid: {allocs, frees, alloc_bytes, outstanding}} of the logs in a directory."""
    found = {}
    number = r"([\d,]+)"
    for path in glob.glob(directory + "/vg.*"):
        with open(path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        use = re.findall(rf"in use at exit: {number} bytes in {number} blocks", text)
        total = re.findall(
            rf"total heap usage: {number} allocs, {number} frees, {number} bytes", text
        )
        if not use or not total:
            continue
        size, blocks = (int(x.replace(",", "")) for x in use[-1])
        allocs, frees, total_bytes = (int(x.replace(",", "")) for x in total[-1])
        leaks = {kind: {"blocks": 0, "bytes": 0} for kind in LEAK_KINDS}
        for kind, name in LEAK_KINDS.items():
            lost = re.findall(rf"{name}: {number} bytes in {number} blocks", text)
            if lost:
                size_lost, blocks_lost = (int(x.replace(",", "")) for x in lost[-1])
                leaks[kind] = {"blocks": blocks_lost, "bytes": size_lost}
        found[int(path.rsplit(".", 1)[1])] = {
            "leaks": leaks,
            "allocs": allocs,
            "frees": frees,
            "alloc_bytes": total_bytes,
            "outstanding": {"blocks": blocks, "bytes": size},
        }
    return found


def the_only(processes, what):
    if len(processes) != 1:
        wrong(f"{len(processes)} processes in {what}, expected one")
        return None
    return list(processes)[0]


def load_runtime(path):
    """What the baseline program allocates: Valgrind's logs, or a report of the tool."""
    if os.path.isdir(path):
        return the_only(load_valgrind(path).values(), path)
    return the_only(load_lines(path)[-1]["processes"], path)


def add_sums(expected, more):
    """The expectation with the allocations of the language's runtime on top."""
    result = dict(expected)
    for key in SUMS:
        result[key] = expected[key] + more[key]
    result["outstanding"] = {
        key: expected["outstanding"][key] + more["outstanding"][key] for key in ("blocks", "bytes")
    }
    return result


def base_name(symbol):
    """The function's name without arguments, return type and offset."""
    if symbol is None:
        return None
    return symbol.split("(")[0].split(" ")[-1].split("<")[0]


def check_loss(report, allowed):
    for key in LOSSES:
        if key not in report["losses"]:
            wrong(f"losses.{key} is missing")
    for key, value in report["losses"].items():
        if value and key not in allowed:
            wrong(f"losses.{key}: {value}")


def check_stack(pid, stack, options):
    where = f"pid {pid}: stack of {stack['bytes']} bytes in {stack['blocks']} blocks"
    if not stack["frames"]:
        if "stacks" not in options.allow:
            wrong(f"{where}: no frames")
        return
    for frame in stack["frames"]:
        if not re.fullmatch(r"0x[0-9a-f]+", frame["pc"]) or "symbol" not in frame:
            wrong(f"{where}: malformed frame {frame}")
    top = stack["frames"][0].get("symbol")
    if top and ALLOCATORS.match(base_name(top) or "") or (top or "").startswith("operator "):
        if not options.own_allocator:
            wrong(f"{where}: begins with the allocator, {top}")
    if stack["age_ms"]["oldest"] < stack["age_ms"]["newest"]:
        wrong(f"{where}: oldest is younger than newest")
    if options.show_allocs:
        same(f"{where}: listed blocks", len(stack.get("allocs", [])), stack["blocks"])
        same(f"{where}: listed bytes", sum(a["bytes"] for a in stack.get("allocs", [])),
             stack["bytes"])


def check_process_sane(process, final, options):
    pid = process["pid"]
    held = process["outstanding"]
    same(f"pid {pid}: allocs - frees", process["allocs"] - process["frees"], held["blocks"])
    if process["alloc_bytes"] < held["bytes"] or process["peak"]["bytes"] < held["bytes"]:
        wrong(f"pid {pid}: more bytes outstanding than ever allocated: {process['peak']}, {held}")
    if process["peak"]["bytes"] > process["alloc_bytes"]:
        wrong(f"pid {pid}: peak above everything allocated")
    if "leaks" in process:
        for key in ("blocks", "bytes"):
            same(f"pid {pid}: sum of leaks, {key}",
                 sum(kind[key] for kind in process["leaks"].values()), held[key])
    for stack in process["stacks"]:
        check_stack(pid, stack, options)
    if options.top and len(process["stacks"]) > options.top:
        wrong(f"pid {pid}: {len(process['stacks'])} stacks, --top {options.top}")
    # Stacks of periodic reports leave out what is younger than --older.
    if options.top or not final:
        return
    for key in ("blocks", "bytes"):
        heap = sum(s[key] for s in process["stacks"] if s["family"] != "mmap")
        maps = sum(s[key] for s in process["stacks"] if s["family"] == "mmap")
        same(f"pid {pid}: sum of heap stacks, {key}", heap, held[key])
        same(f"pid {pid}: sum of mmap stacks, {key}", maps, process["mmap"][key])


def check_sane(reports, options):
    for n, report in enumerate(reports):
        same("schema", report["schema"], "memleak-bpf/1")
        same("seq", report["seq"], n + 1)
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", report["time"]):
            wrong(f"time: {report['time']}")
        same("sampling", report["sampling"], {"mode": "all"})
        check_loss(report, options.allow)
        pids = [process["pid"] for process in report["processes"]]
        same("pids, each once", sorted(pids), sorted(set(pids)))
        if report["final"] != (n == len(reports) - 1) and not options.no_final:
            wrong(f"report {n + 1} of {len(reports)}: final is {report['final']}")
        for process in report["processes"]:
            check_process_sane(process, report["final"], options)


def outermost_is_right(stack, options):
    if options.outer == "any":
        return True
    names = [base_name(frame.get("symbol")) for frame in stack["frames"]]
    if "main" not in names:
        return False
    return options.outer == "main" or names[-1] == "_start"


def belongs(stack, leak):
    if stack["family"] != leak["family"]:
        return False
    names = [base_name(frame.get("symbol")) for frame in stack["frames"]]
    if leak["via"]:
        return leak["function"] in names
    return bool(names) and names[0] == leak["function"]


def without_arrays(leaks):
    """new[] is new: the leaks of each function in one."""
    merged = {}
    for leak in leaks:
        family = "new" if leak["family"] == "new[]" else leak["family"]
        known = merged.setdefault((leak["function"], family),
                                  dict(leak, family=family, blocks=0, bytes=0))
        known["blocks"] += leak["blocks"]
        known["bytes"] += leak["bytes"]
    return list(merged.values())


def check_leaks(process, expected, runtime, options):
    pid = process["pid"]
    rest = list(process["stacks"])
    leaks = expected["leaks"]
    if options.one_new:
        leaks = without_arrays(leaks)
        for stack in rest:
            stack["family"] = "new" if stack["family"] == "new[]" else stack["family"]
    for leak in leaks:
        mine = [stack for stack in rest if belongs(stack, leak)]
        taken = {id(stack) for stack in mine}
        rest = [stack for stack in rest if id(stack) not in taken]
        for key in ("blocks", "bytes"):
            same(f"pid {pid}: {leak['function']}, {leak['family']}, {key}",
                 sum(stack[key] for stack in mine), leak[key])
        for stack in mine:
            if not outermost_is_right(stack, options):
                wrong(f"pid {pid}: {leak['function']}: does not reach the outermost frame: "
                      + str([f.get("symbol") for f in stack["frames"]]))
    if not expected["exact"]:
        return
    for key in ("blocks", "bytes"):
        same(f"pid {pid}: {key} in stacks of nobody's",
             sum(stack[key] for stack in rest), runtime["outstanding"][key] if runtime else 0)
    if problems:
        for stack in rest:
            wrong(f"  left over: {stack['bytes']}/{stack['blocks']} {stack['family']} "
                  + str([f.get("symbol") for f in stack["frames"]]))


def check_stripped(process, options):
    """The frames have no names, but their addresses mean the right function of the twin."""
    frame = process["stacks"][0]["frames"][0]
    same("symbol", frame["symbol"], None)
    name = subprocess.run(["addr2line", "-f", "-e", options.stripped, frame["pc"]],
                          stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")[0]
    same("function at pc", name, options.function)


def check_totals(process, expected, keys):
    for key in keys:
        same(f"pid {process['pid']} ({process.get('comm')}): {key}", process[key], expected[key])


def command_truth(options):
    valgrind = load_valgrind(options.valgrind)
    runtime = load_runtime(options.runtime) if options.runtime else None
    expectations = {e["pid"]: e for e in load_lines(options.expect)}
    same("pids", sorted(expectations), sorted(valgrind))
    for pid, expected in expectations.items():
        seen = valgrind.get(pid)
        if not seen:
            continue
        if expected["partial"]:
            continue
        if not expected["exact"]:
            if seen["allocs"] < expected["allocs"] or seen["frees"] < expected["frees"]:
                wrong(f"pid {pid}: Valgrind saw less than the program: {seen}, {expected}")
            continue
        if expected["runtime"]:
            expected = add_sums(expected, runtime)
        for key in SUMS + ("outstanding",):
            same(f"pid {pid}: {key} by Valgrind", seen[key], expected[key])


def command_report(options):
    reports = load_lines(options.report)
    check_sane(reports, options)
    expectations = {e["pid"]: e for e in load_lines(options.expect)}
    if not expectations:
        wrong("the program stated nothing")
    if not reports:
        wrong("no report")
        return
    processes = {p["pid"]: p for p in reports[-1]["processes"]}
    if not options.others:
        same("processes", sorted(processes), sorted(expectations))
    runtime = load_runtime(options.runtime) if options.runtime else None
    for pid, expected in expectations.items():
        process = processes.get(pid)
        if not process:
            wrong(f"pid {pid} is not in the report")
            continue
        same(f"pid {pid}: comm", process["comm"], expected["comm"])
        same(f"pid {pid}: running", process["running"], options.running)
        top = runtime if expected["runtime"] or options.always_runtime else None
        if expected["exact"]:
            totals = add_sums(expected, top) if top else expected
            check_totals(process, totals, SUMS + ("outstanding", "mmap"))
        elif options.valgrind:
            seen = the_only(load_valgrind(options.valgrind).values(), options.valgrind)
            check_totals(process, seen, SUMS + ("outstanding",))
            check_totals(process, expected, ("mmap",))
        else:
            check_totals(process, expected, ("mmap",))
            if process["outstanding"]["bytes"] < expected["outstanding"]["bytes"]:
                wrong(f"pid {pid}: outstanding: {process['outstanding']}")
        if options.stripped:
            check_stripped(process, options)
        elif not options.top or len(process["stacks"]) < options.top:
            check_leaks(process, expected, top, options)


def command_valgrind(options):
    reports = load_lines(options.report)
    check_sane(reports, options)
    process = the_only(reports[-1]["processes"], options.report)
    seen = the_only(load_valgrind(options.valgrind).values(), options.valgrind)
    if process and seen:
        check_totals(process, seen, SUMS + ("outstanding",))


def command_leaks(options):
    reports = load_lines(options.report)
    check_sane(reports, options)
    seen = sorted(load_valgrind(options.valgrind).items())
    processes = sorted(reports[-1]["processes"], key=lambda p: p["pid"])
    same("processes", len(processes), len(seen))
    for process, (_, expected) in zip(processes, seen):
        check_totals(process, expected, ("outstanding",))
        for kind in LEAK_KINDS:
            same(f"{process['comm']}: {kind}", process.get("leaks", {}).get(kind),
                 expected["leaks"][kind])
        for stack in process["stacks"]:
            if stack["family"] != "mmap" and "verdict" not in stack:
                wrong(f"stack without a verdict: {stack['bytes']} bytes")


def command_sane(options):
    reports = load_lines(options.report)
    check_sane(reports, options)
    if not reports:
        wrong("no report")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    truth = commands.add_parser("truth")
    truth.add_argument("expect")
    truth.add_argument("valgrind")
    report = commands.add_parser("report")
    report.add_argument("report")
    report.add_argument("expect")
    report.add_argument("--valgrind")
    valgrind = commands.add_parser("valgrind")
    valgrind.add_argument("report")
    valgrind.add_argument("valgrind")
    leaks = commands.add_parser("leaks")
    leaks.add_argument("report")
    leaks.add_argument("valgrind")
    sane = commands.add_parser("sane")
    sane.add_argument("report")
    for sub in (truth, report, valgrind, leaks, sane):
        sub.add_argument("--runtime", help="the baseline: logs of Valgrind, or a report")
        sub.add_argument("--always-runtime", action="store_true",
                         help="the baseline is for programs too that state none")
        sub.add_argument("--one-new", action="store_true", help="new and new[] are one function")
        sub.add_argument("--allow", action="append", default=[], help="a loss that may be")
        sub.add_argument("--outer", choices=("start", "main", "any"), default="start")
        sub.add_argument("--top", type=int, default=0, help="the tool ran with this --top")
        sub.add_argument("--others", action="store_true", help="other processes may be listed")
        sub.add_argument("--running", action="store_true", help="the processes still run")
        sub.add_argument("--no-final", action="store_true", help="the last one is no final report")
        sub.add_argument("--show-allocs", action="store_true", help="the tool ran with -a")
        sub.add_argument("--own-allocator", action="store_true")
        sub.add_argument("--stripped", help="the same program with symbols")
        sub.add_argument("--function", help="what pc means there")
    options = parser.parse_args()
    try:
        globals()["command_" + options.command](options)
    except (KeyError, json.JSONDecodeError, OSError) as error:
        wrong(f"{type(error).__name__}: {error}")
    for line in problems[:40]:
        print(line)
    sys.exit(bool(problems))


main()
