#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""No block that was called lost is freed, or in use, afterwards.

still_used.py REPORT CHECKS     of a run with -f json -a -o 0 --leak-check=each, at least so many checks

A lost block is in every later report, as the same block, and lost. Prints one line for each that is
not; the status is 1 then, and where too little was checked.
"""

import json
import sys

LOST = ("definite", "indirect")

lost = {}
checks = blocks = 0
wrong = []
with open(sys.argv[1], encoding="utf-8") as f:
    for line in f:
        for process in json.loads(line)["processes"]:
            if "leaks" not in process:
                continue
            checks += 1
            now = {}
            for stack in process["stacks"]:
                if "verdict" not in stack:
                    continue  # mappings
                for block in stack["allocs"]:
                    now[block["addr"]] = (stack["verdict"], block["age_ms"], stack)
            blocks += len(now)
            for addr, (age, what) in lost.items():
                if addr not in now or now[addr][1] < age:
                    wrong.append(f"{addr} was freed: {what}")
                elif now[addr][0] not in LOST:
                    wrong.append(f"{addr} is {now[addr][0]} now: {what}")
            lost = {
                addr: (age, f"{verdict}, " + str([f["symbol"] for f in stack["frames"][:6]]))
                for addr, (verdict, age, stack) in now.items() if verdict in LOST
            }
for text in wrong[:10]:
    print(text)
print(f"{checks} checks of {blocks} blocks, {len(lost)} lost, {len(wrong)} wrongly")
sys.exit(bool(wrong) or checks < int(sys.argv[2]) or not blocks)
