#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""sampling.py REPORT TRUTH rate|bytes VALUE

Whether the estimates for many processes that all did the same (tests/programs/sampled) are without
bias, and spread as theory says and as the report states. Prints what is wrong.

With 200 processes a standard deviation is known to 5 %, and the programs are such that the mean of the
estimates has a standard error of some 0.2 to 0.25 %: the limits are four or five of either.
"""
import json
import math
import statistics
import sys

report, truth, mode, value = sys.argv[1:]
value = int(value)
truth = json.load(open(truth))
sizes = {int(size): counts for size, counts in truth["sizes"].items()}
with open(report) as f:
    last = json.loads(f.readlines()[-1])
children = [p for p in last["processes"] if p["pid"] != truth["pid"]]
bad = []


def chance(size):
    return 1 / value if mode == "rate" else 1 - math.exp(-size / value)


def expect(what, is_value, wanted, limit):
    off = is_value / wanted - 1
    print(f"{what}: {is_value:.6g}, expected {wanted:.6g}: {100 * off:+.2f} %")
    if abs(off) > limit:
        bad.append(what)


def check(what, values, per_size, spread=True):
    """per_size: how many of each size add how much to what is estimated."""
    wanted = sum(n * y for n, y in per_size.values())
    variance = sum(n * y * y * (1 - chance(s)) / chance(s) for s, (n, y) in per_size.items())
    expect(f"mean of {what}", statistics.mean(values), wanted, 0.01)
    if spread:
        expect(f"spread of {what}", statistics.stdev(values), math.sqrt(variance), 0.25)
    return math.sqrt(variance)


if len(children) != 200:
    bad.append(f"{len(children)} processes")
check("allocs", [p["allocs"] for p in children], {s: (c[0], 1) for s, c in sizes.items()})
check("alloc_bytes", [p["alloc_bytes"] for p in children], {s: (c[0], s) for s, c in sizes.items()})
for key, unit in (("blocks", lambda s: 1), ("bytes", lambda s: s)):
    per_size = {s: (c[1], unit(s)) for s, c in sizes.items()}
    sigma = check(f"outstanding {key}", [p["outstanding"][key] for p in children], per_size)
    check(f"{key} of all stacks", [sum(e[key] for e in p["stacks"]) for p in children], per_size)
    expect(f"stated error of {key}",
           math.sqrt(statistics.mean(p["standard_error"][key] ** 2 for p in children)), sigma, 0.05)
for p in children:
    if p["allocs"] - p["frees"] != p["outstanding"]["blocks"]:
        bad.append(f"pid {p['pid']}: allocs - frees is not what is outstanding")
if last["sampling"].get("n" if mode == "rate" else "mean") != value:
    bad.append(f"sampling: {last['sampling']}")
if any(last["losses"].values()):
    bad.append(f"losses: {last['losses']}")
for what in bad:
    print("WRONG:", what)
sys.exit(bool(bad))
