#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""intact.py PID: is the process as it was before a profiler came?

Every byte of code it has mapped from a file is the file's byte (a probe left behind is a changed
byte), nobody traces it, and it is not stopped. Says what is wrong and ends with 1.
"""

import sys


def main():
    pid = sys.argv[1]
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    if status["TracerPid"].strip() != "0":
        sys.exit(f"traced by {status['TracerPid']}")
    if status["State"].strip()[0] in "tTZX":
        sys.exit(f"state {status['State']}")
    compared = 0
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(
        f"/proc/{pid}/mem", "rb", 0
    ) as memory:
        for line in maps:
            fields = line.split(None, 5)
            if "x" not in fields[1] or len(fields) < 6 or not fields[5].startswith("/"):
                continue
            start, end = (int(x, 16) for x in fields[0].split("-"))
            with open(f"/proc/{pid}/map_files/{start:x}-{end:x}", "rb") as f:
                f.seek(int(fields[2], 16))
                code = f.read(end - start)
            memory.seek(start)
            here = memory.read(len(code))
            compared += 1
            if here == code:
                continue
            changed = [n for n in range(len(code)) if here[n] != code[n]]
            sys.exit(
                f"{len(changed)} bytes changed in {fields[5].strip()}, first at file offset "
                f"{int(fields[2], 16) + changed[0]:#x}: {here[changed[0]]:#x}"
            )
    if not compared:
        sys.exit("no code mapped from files")


main()
