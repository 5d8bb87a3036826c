#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# Frees that libmemleak.so tells of with the next allocation: whoever looks meanwhile does not see it. What
# is told in the end, the files preload_*.bats show.

load helper

deferring() {
	grep -q "tell of frees with the next allocation" "$err" || {
		cat "$err"
		return 1
	}
}

# not_deferring: the library's sites are used, but frees are told at once.
not_deferring() {
	grep -q "attached to the sites of .*libmemleak" "$err" && ! grep -q "tell of frees" "$err" || {
		cat "$err"
		return 1
	}
}

uptime_ms() {
	awk '{ print $1 * 1000 }' /proc/uptime
}

outstanding() {
	holds ".processes[0].outstanding == {\"blocks\": $1, \"bytes\": $2}"
	holds "[.processes[0].stacks[].blocks] | (add // 0) == $1"
	holds '.processes[0] | .allocs - .frees == .outstanding.blocks'
	holds '.losses | add == 0'
}

@test "a report of a process that runs leaves out what is freed and not told" {
	require_deferring
	start_hooked
	start_tool -v -p "$target" -o 0
	ask_report
	deferring
	tell "leak 500 100" "free 200"
	ask_report
	outstanding 300 30000
	holds '.processes[0].frees == 200'
	ask_report
	outstanding 300 30000
	# Told by the way, or with cells that others need.
	tell "leak 20000 24" "free 20000" "free 100"
	end_tool
	outstanding 200 20000
	holds '.processes[0] | .allocs == 20500 and .frees == 20300'
	tell "exit 0"
}

@test "a leak check of a process that runs leaves it out, too" {
	require_deferring
	start_hooked
	start_tool -v -p "$target" -o 0 --leak-check each
	ask_report
	deferring
	tell "leak 500 100" "free 200"
	ask_report
	outstanding 300 30000
	holds '.processes[0].leaks.definite.blocks == 0'
	tell "free 300"
	ask_report
	outstanding 0 0
	tell "leak 3 100"
	ask_report
	outstanding 3 300
	end_tool
	tell "exit 0"
}

@test "the peak is what was live, not what had not been told" {
	require_deferring
	start_hooked
	start_tool -v -p "$target"
	ask_report
	deferring
	tell "leak 10 1000" "free 10" "leak 3 3000" "free 3" "leak 2 100"
	end_tool
	holds '.processes[0].peak.bytes == 10000'
	tell "free 2"
	# What the process has not told of from then is nobody's now.
	start_tool -p "$target"
	ask_report
	tell "leak 2 300" "leak 10 1000" "free 12" "leak 1 50"
	end_tool
	holds '.processes[0].peak.bytes == 10600'
	outstanding 1 50
	tell "exit 0"
}

# passed_on SIGNAL ARGUMENT...: what is outstanding is what the program says, however it ends.
passed_on() {
	local signal=$1
	shift
	rm -f "$report"
	status=0
	echo "$signal" | "$MEMLEAK" -v -f json --output "$report" --preload --leak-check no -- \
		"$PROGRAMS/passed_on" "$@" >"$out" 2>"$err" 3>&- 4>&- || status=$?
	deferring
	[ "$status" -eq $((signal ? 128 + signal : 0)) ]
	holds '[.processes[0].stacks[] | select(.frames[0].symbol | startswith("passed"))] |
		{blocks: map(.blocks) | add, bytes: map(.bytes) | add} == '"$(cat "$out")"
	holds '.processes[0] | .allocs - .frees == .outstanding.blocks'
	holds '.losses | add == 0'
	# 512 places, of blocks of 1,030 bytes on the average.
	holds '.processes[0].peak.bytes | . > 400000 and . < 1000000'
}

@test "threads that free each other's blocks" {
	require_deferring
	passed_on 0 20000 8
	passed_on 0 200000 1
	passed_on 0 2000 64
}

@test "a process that is killed has told nobody" {
	require_deferring
	passed_on 9 20000 8
	passed_on 9 1000 2 alone
}

@test "a report of a process whose first thread has ended" {
	require_deferring
	passed() {
		holds '[.processes[0].stacks[] | select(.frames[0].symbol | startswith("passed"))] |
			{blocks: map(.blocks) | add, bytes: map(.bytes) | add} == '"$(cat "$answers")"
	}
	open_pump
	"$MEMLEAK" -v -f json --output "$report" --preload -o 0 -i 3600 --leak-check no -- \
		"$PROGRAMS/passed_on" 3000 4 alone <&"$pump_fd" >"$answers" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
	asked=1
	wait_until 20 answered
	ask_report
	deferring
	passed
	echo 15 >&"$pump_fd"
	wait_for_tool
	[ "$status" = 143 ]
	passed
}

@test "--blocks-dir: the file of a block is gone soon after it" {
	local blocks=$BATS_TEST_TMPDIR/blocks
	require_deferring
	has_files() { [ "$(find "$blocks" -name '0x*.mem' | wc -l)" = "$1" ]; }
	start_hooked
	start_tool -v -p "$target" -i 1000 --blocks-dir "$blocks"
	ask_report
	deferring
	tell "leak 10 40" "leak 1 0"
	wait_until 10 has_files 11
	tell "free 1"
	wait_until 10 has_files 10
	tell "free 3"
	wait_until 10 has_files 7
	end_tool
	tell "exit 0"
}

@test "where another tool must hear of each free at once, all do" {
	local first trace=$BATS_TEST_TMPDIR/trace
	require_deferring
	start_hooked
	start_tool -v -p "$target" -o 0
	ask_report
	deferring
	tell "leak 100 100" "free 50"
	"$MEMLEAK" -v -p "$target" --trace >"$trace" 2>"$BATS_TEST_TMPDIR/err2" 3>&- 4>&- &
	first=$!
	traced() { tell "leak 1 7" "free 1" && grep -q " 7 " "$trace"; }
	wait_until 20 traced
	tell "free 20" "leak 30 100" "free 10"
	ask_report
	outstanding 50 5000
	kill -INT "$first"
	wait_until 20 gone "$first"
	wait "$first" || true
	tell "leak 10 10" "free 25" "leak 40 33"
	ask_report
	outstanding 75 4820
	tell "free 45"
	ask_report
	outstanding 30 3000
	end_tool
	tell "exit 0"
}

@test "not for --trace, nor where a part is left out, nor for small tables" {
	local options
	require_deferring
	for options in --trace "-z 10" "--max-blocks 100000"; do
		# shellcheck disable=SC2086
		"$MEMLEAK" -v --preload $options -- "$PROGRAMS/malloc_one" >"$out" 2>"$err"
		not_deferring
	done
}

@test "a library that brings an allocator of its own ends it" {
	local script
	require_deferring
	script='import ctypes, sys
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
kept = [libc.malloc(777) for i in range(100)]
for i in range(50):
    libc.free(kept.pop())
other = ctypes.CDLL(sys.argv[1])
kept += [libc.malloc(777) for i in range(20)]
mine = [other.je_malloc(778) for i in range(10)]
for i in range(30):
    libc.free(kept.pop())
print(len(kept), len(mine), flush=True)
import os
os._exit(0)'
	TOOL="-v --preload --leak-check no" profile "$PYTHON" -c "$script" "$PROGRAMS/liblate.so"
	deferring
	grep -q "sites of .*libmemleak.so tell of each free at once from now on" "$err"
	[ "$(cat "$out")" = "40 10" ]
	holds '[.processes[0].stacks[] | select(.bytes == 40 * 777 + 10 * 778 and .blocks == 50)] | length == 1'
	holds '.processes[0] | .allocs - .frees == .outstanding.blocks'
	holds '.losses | add == 0'
}

@test "what cannot be read when a process ends is lost, and counted" {
	local script
	require_deferring
	script='import ctypes, os
libc = ctypes.CDLL(None)
# The library has a mapping of its own: a flag, what it counts, the cells, and the trails.
cells = 8192 * 64
size = 65536 + 4096 + cells + 512 * 4 * 512
for line in open("/proc/self/maps"):
    start, end = (int(x, 16) for x in line.split()[0].split("-"))
    if end - start == size:
        libc.madvise(ctypes.c_void_p(start + 65536 + 4096), ctypes.c_size_t(cells), 4)
os._exit(0)'
	TOOL="-v --preload --leak-check no" profile "$PYTHON" -c "$script"
	[ "$status" -eq 0 ]
	deferring
	holds '.losses.frees > 0'
	holds '.losses | del(.frees) | add == 0'
}

@test "samples that the process draws: frees and peak are as those of what it allocated" {
	require_deferring
	open_pump
	"$MEMLEAK" -v -f json --output "$report" --preload --sample-bytes 1000 -o 0 -i 3600 --leak-check no -- \
		"$PROGRAMS/passed_on" 20000 1 <&"$pump_fd" >"$answers" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
	asked=1
	wait_until 20 answered
	ask_report
	deferring
	jq -sc '.[-1].processes[0] | [.allocs, .frees, .outstanding, .peak.bytes]' "$report" >"$expect"
	# Of 512 places in which there are 512 blocks of 1,030 bytes most of the time, 128 stay.
	holds '.processes[0] | .outstanding.bytes | . > 60000 and . < 300000'
	holds '.processes[0].peak.bytes | . > 400000 and . < 1000000'
	# Rounding of weights aside.
	holds '.processes[0] | (.allocs - .frees - .outstanding.blocks) | fabs <= 1'
	echo 9 >&"$pump_fd"
	wait_for_tool
	jq -sc '.[-1].processes[0] | [.allocs, .frees, .outstanding, .peak.bytes]' "$report" | diff "$expect" -
	holds '.losses | add == 0'
}

@test "-p: if the process draws them, and not if the kernel side does" {
	require_deferring
	export MEMLEAK_SAMPLE_BYTES=1000
	start_hooked
	start_tool -v -p "$target" -o 0 --sample-bytes 1000
	ask_report
	deferring
	tell "leak 10000 100" "free 9000"
	ask_report
	holds '.processes[0] | (.allocs - .frees - .outstanding.blocks) | fabs <= 1'
	holds '.processes[0].outstanding.blocks | . > 500 and . < 1500'
	end_tool
	tell "exit 0"
	unset MEMLEAK_SAMPLE_BYTES
	start_hooked
	start_tool -v -p "$target" -o 0 --sample-bytes 1000
	ask_report
	end_tool
	not_deferring
	tell "exit 0"
}

@test "reports of a busy process have nothing that is free" {
	require_deferring
	TOOL="-v --preload --leak-check no -o 0 -i 0.02" profile deferred addresses 3
	[ "$status" -eq 0 ]
	deferring
	jq -se '[.[].processes[]?.outstanding.blocks] | length > 50 and min >= 0 and max <= 2' "$report"
	jq -se 'all(.[].processes[]?; ([.stacks[].blocks] | add // 0) == .outstanding.blocks)' "$report"
}

@test "leak checks of a busy process lose nothing" {
	require_deferring
	TOOL="-v --preload --leak-check each --no-diagnose -o 0 -i 0.03" profile deferred lists 8
	[ "$status" -eq 0 ]
	deferring
	jq -se '[.[].processes[]? | .leaks | .definite.blocks + .indirect.blocks] | length > 20 and max == 0' "$report"
	jq -se 'all(.[].processes[]?; ([.stacks[].blocks] | add // 0) == .outstanding.blocks)' "$report"
}

@test "nothing is missed when frees begin to be told at once, and nothing told twice" {
	require_deferring
	TOOL="-v --preload --leak-check no" profile deferred load "$PROGRAMS/liblate.so"
	[ "$status" -eq 0 ]
	deferring
	holds '[.processes[0].stacks[] | select(.frames[0].symbol == "get") | .blocks] | add == 9'
	holds '.processes[0] | .allocs - .frees == .outstanding.blocks and .allocs > 1000009 and .allocs < 1000100'
	holds '.losses | add == 0'
}

@test "the peak when frees begin to be told at once" {
	require_deferring
	TOOL="-v --preload --leak-check no" profile deferred peak "$PROGRAMS/liblate.so"
	[ "$status" -eq 0 ]
	deferring
	holds '.processes[0].peak.bytes | . > 8096000 and . < 8110000'
}

@test "a block that was freed before they are, and again after" {
	require_deferring
	TOOL="-v --preload --leak-check no" profile deferred twice "$PROGRAMS/liblate.so"
	deferring
	holds '[.errors[]?, .processes[0].errors[]?] | map(select(.kind == "double_free")) | length == 1'
}

@test "a vfork child that nobody follows does not take its parent's frees along" {
	require_deferring
	TOOL="-v --preload --leak-check no --no-follow" profile deferred vfork 0
	[ "$status" -eq 0 ]
	deferring
	outstanding 10 5550
	TOOL="-v --preload --leak-check no" profile deferred vfork 0
	outstanding 1010 782550
}

@test "the peak, if a vfork child takes an address whose free has not been told" {
	require_deferring
	TOOL="-v --preload --leak-check no" profile deferred vforks 0
	[ "$status" -eq 0 ]
	deferring
	outstanding 1200 120000
	holds '.processes[0].peak.bytes == 120000'
}

# --- blocks that come again ---

# kept FUNCTION BLOCKS BYTES: what it has allocated and is outstanding; and nothing is lost.
kept() {
	holds "[.processes[0].stacks[] | select(.frames[0].symbol == \"$1\") | .blocks] | add == $2"
	holds "[.processes[0].stacks[] | select(.frames[0].symbol == \"$1\") | .bytes] | add == $3"
	holds '.processes[0] | .allocs - .frees == .outstanding.blocks'
	holds '[.processes[0].stacks[].blocks] | add == '"$(jq .processes[0].outstanding.blocks "$report")"
	holds '.losses | add == 0'
}

@test "blocks that come again are counted, and are free" {
	require_deferring
	TOOL="-v --preload --leak-check no -o 0" profile again pairs 200000
	deferring
	says 150000 "came again"
	kept get 1 50
	holds '.processes[0].allocs >= 200001 and .processes[0].allocs < 200100'
	holds '.processes[0].alloc_bytes | . >= 20000050 and . < 20100000'
	TOOL="-v --preload --leak-check no -o 0" profile again grow 20000
	deferring
	kept grow 1 40
	holds '.processes[0].allocs >= 60001 and .processes[0].allocs < 60100'
}

# Of 100,000 blocks of 64 bytes one in 16 is a sample, of 1,000 that stay too: 62 to either path.
@test "samples name their stacks, and are not walked" {
	require_deferring
	TOOL="-v --preload --sample-bytes 1000 --leak-check no -o 0" profile again paths 100000
	[ "$status" = 0 ]
	deferring
	[ "$(sed -n 's/^memleak-bpf: stacks: \([0-9]*\) complete.*/\1/p' "$err")" -lt 3000 ]
	holds '.processes[0].alloc_bytes | . > 5900000 and . < 6900000'
	for path in path_a path_b; do
		holds "[.processes[0].stacks[] | select(any(.frames[]; .symbol == \"$path\")) | .bytes] | add | . > 10000 and . < 60000"
	done
	holds '.losses | add == 0'
}

@test "those of another user's program" {
	require_deferring
	chmod a+rx "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR" 2>/dev/null || true
	TOOL="-v --preload -u nobody --leak-check no -o 0" profile again pairs 200000
	deferring
	says 150000 "came again"
	kept get 1 50
}

@test "they come again for the same stack alone" {
	require_deferring
	TOOL="-v --preload --leak-check no -o 0" profile again paths 100000
	deferring
	says 50000 "came again"
	kept get 1000 64000
	holds '[.processes[0].stacks[] | select(any(.frames[]; .symbol == "path_a")) | .blocks] | add == 500'
	holds '[.processes[0].stacks[] | select(any(.frames[]; .symbol == "path_b")) | .blocks] | add == 500'
}

@test "the peak, if nobody was told what was there" {
	require_deferring
	TOOL="-v --preload --leak-check no -o 0" profile again peak 0
	deferring
	says 1000 "came again"
	holds '.processes[0].peak.bytes | . >= 140000 and . < 150000'
	TOOL="-v --preload --leak-check no -o 0" profile again between 0
	deferring
	says 500 "came again"
	holds '.processes[0].peak.bytes | . >= 1550000 and . < 1560000'
}

@test "a library that is another one in the same place" {
	require_deferring
	TOOL="-v --preload --leak-check no -o 0" profile again plugins "$PROGRAMS/libplugin_a.so" "$PROGRAMS/libplugin_b.so"
	deferring
	says 1000 "came again"
	grep -qx "same place" "$out"
	kept plugin_b_leak 6 4662
	holds '[.processes[0].stacks[].frames[].symbol] | any(. == "plugin_a_leak") | not'
}

@test "a child has none of its parent's" {
	require_deferring
	TOOL="-v --preload --leak-check no -o 0" profile again fork 0
	deferring
	says 1000 "came again"
	holds '[.processes[] | [.stacks[] | select(.frames[0].symbol == "get") | .blocks] | add // 0] | sort == [0, 2]'
	holds 'all(.processes[]; .allocs - .frees == .outstanding.blocks)'
	holds '.losses | add == 0'
}

@test "threads whose blocks come again" {
	require_deferring
	TOOL="-v --preload --leak-check no -o 0" profile again threads 100000
	deferring
	says 200000 "came again"
	kept get 400 32000
}

@test "who attaches later hears first of what comes again" {
	local i
	require_deferring
	start_hooked
	start_tool -v -p "$target"
	ask_report
	deferring
	for i in {1..40}; do
		tell "leak 1 500" "free 1"
	done
	end_tool
	start_tool -p "$target"
	ask_report
	tell "leak 1 500" "leak 2 100"
	end_tool
	outstanding 3 700
	tell "exit 0"
}

@test "how old blocks are that have come again" {
	local first last i
	require_deferring
	start_hooked
	start_tool -v -o 0 -p "$target"
	ask_report
	first=$(uptime_ms)
	for ((i = 0; i < 40 || $(uptime_ms) - first < 500; i++)); do
		tell "leak 1 500" "free 1"
	done
	last=$(uptime_ms)
	tell "leak 1 500"
	ask_report
	deferring
	outstanding 1 500
	# By clocks that go by ticks.
	holds ".processes[0].stacks[0].age_ms.oldest <= $(($(uptime_ms) - last + 30))"
	# Where the kernel side reads it.
	tell "exit 0"
	wait_for_tool
	outstanding 1 500
	holds ".processes[0].stacks[0].age_ms.oldest <= $(($(uptime_ms) - last + 30))"
}
