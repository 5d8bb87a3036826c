#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# Samples that libmemleak.so does not tell of at first, as it knows their stacks. With --sample-bytes 1 each
# block of 22 bytes or more is one that stands for itself: what there is, is known exactly.

load helper

ALL="--preload --sample-bytes 1 --leak-check no -o 0"

# warm_up: the pump's next leaks are of a stack that it knows.
warm_up() {
	local i
	for i in {1..20}; do
		tell "churn 20 100" "leak 20 100" "free 20"
	done
}

# sums: what is outstanding is what is allocated and not freed; and nothing is lost.
sums() {
	# Not all of less than 22 bytes are samples: rounding of their weights aside.
	holds 'all(.processes[]; .allocs - .frees - .outstanding.blocks | fabs <= 1)'
	holds 'all(.processes[]; ([.stacks[].blocks] | add // 0) - .outstanding.blocks | fabs <= 1)'
	holds '.losses | add == 0'
}

# kept FUNCTION BLOCKS BYTES: what it has allocated and is outstanding.
kept() {
	holds "[.processes[].stacks[] | select(.frames[0].symbol == \"$1\") | .blocks] | (add // 0) == $2"
	holds "[.processes[].stacks[] | select(.frames[0].symbol == \"$1\") | .bytes] | (add // 0) == $3"
	sums
}

outstanding() {
	holds ".processes[0].outstanding == {\"blocks\": $1, \"bytes\": $2}"
	sums
}

@test "those that are freed are counted" {
	require_deferring
	TOOL=$ALL profile again pairs 200000
	says 150000 "have passed"
	kept get 1 50
	holds '.processes[0].allocs >= 200001 and .processes[0].allocs < 200100'
	holds '.processes[0].alloc_bytes | . >= 20000050 and . < 20100000'
}

@test "those that are lost when the program ends" {
	require_deferring
	TOOL="--preload --sample-bytes 1 -o 0 --error-exitcode 9" profile again threads 50000
	says 100000 "have passed"
	[ "$status" = 9 ]
	# What is left of a pointer somewhere may keep a block or two.
	holds '.processes[0].leaks.definite | .blocks > 190 and .blocks <= 200 and .bytes == .blocks * 80'
	kept get 200 16000
}

@test "those that stay have the stacks they were allocated with" {
	require_deferring
	TOOL=$ALL profile again paths 100000
	says 50000 "have passed"
	kept get 1000 64000
	holds '[.processes[0].stacks[] | select(any(.frames[]; .symbol == "path_a")) | .blocks] | add == 500'
	holds '[.processes[0].stacks[] | select(any(.frames[]; .symbol == "path_b")) | .blocks] | add == 500'
}

@test "more stay than there are cells" {
	require_deferring
	TOOL=$ALL profile again many 30000
	says 20000 "have passed"
	kept get 30000 3000000
	holds '.processes[0].allocs >= 90001 and .processes[0].allocs < 90100'
}

@test "as estimates they are as right as they were" {
	require_deferring
	TOOL="--preload --sample-bytes 1000 --leak-check no -o 0" profile again many 100000
	says 50000 "have passed"
	holds '.processes[0].outstanding.bytes | . > 9500000 and . < 12000000'
	holds '.processes[0] | (.allocs - .frees - .outstanding.blocks) | fabs <= 1'
	holds '.processes[0].allocs | . > 280000 and . < 320000'
}

@test "realloc moves them, or refuses to" {
	require_deferring
	TOOL=$ALL profile again grow 20000
	kept grow 1 40
	holds '.processes[0].allocs >= 60001 and .processes[0].allocs < 60100'
	TOOL=$ALL profile again refused 20000
	kept get 1 100
	holds '.processes[0].allocs >= 20001 and .processes[0].allocs < 20100'
}

# passed_on SIGNAL ARGUMENT...: what is outstanding is what the program says, however it ends.
passed_on() {
	local signal=$1
	shift
	rm -f "$report"
	status=0
	echo "$signal" | "$MEMLEAK" -f json --output "$report" $ALL -- \
		"$PROGRAMS/passed_on" "$@" >"$out" 2>"$err" 3>&- 4>&- || status=$?
	[ "$status" -eq $((signal ? 128 + signal : 0)) ]
	holds '[.processes[0].stacks[] | select(.frames[0].symbol | startswith("passed"))] |
		{blocks: map(.blocks) | add, bytes: map(.bytes) | add} == '"$(cat "$out")"
	sums
	holds '.processes[0].peak.bytes | . > 400000 and . < 1000000'
}

@test "threads that free each other's" {
	require_deferring
	passed_on 0 20000 8
	passed_on 0 200000 1
	passed_on 0 2000 64
	passed_on 9 20000 8
	passed_on 9 1000 2 alone
}

@test "threads that keep some" {
	require_deferring
	TOOL=$ALL profile again threads 100000
	says 200000 "have passed"
	kept run 0 0
	kept get 400 32000
}

@test "a report of a process that runs has them, and a leak check of it" {
	local check
	require_deferring
	for check in no each; do
		MEMLEAK_SAMPLE_BYTES=1 start_hooked
		start_tool -p "$target" --sample-bytes 1 -o 0 --leak-check "$check"
		ask_report
		warm_up
		ask_report
		outstanding 0 0
		tell "leak 500 100" "free 200"
		ask_report
		outstanding 300 30000
		[ "$check" = no ] || holds '.processes[0].leaks.definite.blocks == 0'
		ask_report
		outstanding 300 30000
		tell "leak 20000 24" "free 20000" "free 100"
		ask_report
		outstanding 200 20000
		tell "exit 0"
		wait_for_tool
		outstanding 200 20000
		exec {pump_fd}>&-
	done
}

@test "the peak is what was live, whoever was told" {
	require_deferring
	TOOL=$ALL profile again peak 0
	holds '.processes[0].peak.bytes | . >= 140000 and . < 150000'
	TOOL=$ALL profile again between 0
	holds '.processes[0].peak.bytes | . >= 1550000 and . < 1560000'
	MEMLEAK_SAMPLE_BYTES=1 start_hooked
	start_tool -p "$target" --sample-bytes 1 -o 0
	ask_report
	warm_up
	tell "leak 60 1000" "free 60" "leak 3 1000" "free 1"
	ask_report
	holds '.processes[0].peak.bytes == 60000'
	end_tool
	holds '.processes[0].peak.bytes == 60000'
	outstanding 2 2000
	# What is new there now is nobody's.
	start_tool -p "$target" --sample-bytes 1 -o 0
	ask_report
	warm_up
	tell "free 1" "leak 2 300" "leak 10 1000" "free 12" "leak 1 50"
	end_tool
	holds '.processes[0].peak.bytes == 10600'
	outstanding 1 50
	tell "exit 0"
}

@test "reports of a busy process, and leak checks" {
	require_deferring
	TOOL="$ALL -i 0.02" profile deferred addresses 3
	[ "$status" -eq 0 ]
	jq -se '[.[].processes[]?.outstanding.blocks] | length > 50 and min >= 0 and max <= 2' "$report"
	jq -se 'all(.[].processes[]?; ([.stacks[].blocks] | add // 0) == .outstanding.blocks)' "$report"
	TOOL="--preload --sample-bytes 1 --leak-check each -o 0 -i 0.03" profile deferred lists 8
	[ "$status" -eq 0 ]
	jq -se '[.[].processes[]? | .leaks | .definite.blocks + .indirect.blocks] | length > 20 and max == 0' "$report"
	jq -se 'all(.[].processes[]?; ([.stacks[].blocks] | add // 0) == .outstanding.blocks)' "$report"
}

@test "reports while processes end" {
	local i script=
	require_deferring
	for i in {1..40}; do
		script+="$PROGRAMS/again paths 100000;"
	done
	TOOL="$ALL -i 0.01" profile sh -c "$script"
	[ "$status" -eq 0 ]
	jq -se '[.[].processes[]? | select(.comm == "again" and .running)] | length > 20' "$report"
	jq -se 'all(.[].processes[]?; ([.stacks[].blocks] | add // 0) - .outstanding.blocks | fabs <= 1)' "$report"
	jq -se 'all(.[].processes[]?; .allocs - .frees - .outstanding.blocks | fabs <= 1)' "$report"
	jq -se '[.[-1].processes[].stacks[] | select(.frames[0].symbol == "get") | .blocks] | add == 40 * 1000' "$report"
}

@test "a library that is another one in the same place" {
	require_deferring
	TOOL=$ALL profile again plugins "$PROGRAMS/libplugin_a.so" "$PROGRAMS/libplugin_b.so"
	says 1000 "have passed"
	grep -qx "same place" "$out"
	kept plugin_b_leak 6 4662
	holds '[.processes[0].stacks[].frames[].symbol] | any(. == "plugin_a_leak") | not'
}

@test "a child has none of its parent's" {
	require_deferring
	TOOL=$ALL profile again fork 0
	says 1000 "have passed"
	holds '[.processes[] | [.stacks[] | select(.frames[0].symbol == "get") | .blocks] | add // 0] | sort == [0, 2]'
	sums
}

@test "a library that brings an allocator of its own" {
	require_deferring
	TOOL=$ALL profile deferred load "$PROGRAMS/liblate.so"
	[ "$status" -eq 0 ]
	kept get 9 450
	holds '.processes[0].allocs > 1000009 and .processes[0].allocs < 1000100'
}

@test "where wrong frees are looked for, all are told" {
	require_deferring
	TOOL="$ALL --diagnose" profile again pairs 20000
	grep -qx "0 have passed" "$out"
	kept get 1 50
}

second_is_attached() {
	grep -q "attached to the sites of" "$BATS_TEST_TMPDIR/err2"
}

@test "another tool hears of all that comes, whoever stays" {
	local stays first second=$BATS_TEST_TMPDIR/second
	require_deferring
	for stays in first second; do
		MEMLEAK_SAMPLE_BYTES=1 start_hooked
		start_tool -v -p "$target" --sample-bytes 1 -o 0 -i 3600
		ask_report
		warm_up
		tell "leak 100 100"
		ask_report
		outstanding 100 10000
		first=$tool_pid
		"$MEMLEAK" -v -f json --output "$second" -p "$target" --sample-bytes 1 -o 0 -i 3600 --top 100000 \
			>/dev/null 2>"$BATS_TEST_TMPDIR/err2" 3>&- 4>&- &
		tool_pid=$!
		wait_until 20 second_is_attached
		report=$second ask_report
		tell "leak 50 200" "free 70" "leak 40 100" "free 10"
		report=$second ask_report
		report=$second outstanding 30 3000
		report=$second holds '.processes[0].peak.bytes == 10000'
		tool_pid=$first
		ask_report
		outstanding 110 11000
		holds '.processes[0].peak.bytes == 20000'
		if [ "$stays" = first ]; then
			kill -INT "$!"
			wait_until 20 gone "$!"
			wait "$!" || true
			report=$second outstanding 30 3000
			warm_up
			tell "leak 10 10000" "free 25"
			end_tool
			outstanding 95 9500
		else
			end_tool
			outstanding 110 11000
			tool_pid=$!
			warm_up
			tell "leak 10 10000" "free 25"
			report=$second end_tool
			report=$second outstanding 15 1500
		fi
		tell "exit 0"
		exec {pump_fd}>&-
		rm -f "$second"
	done
}

# Of the hundred in which a program keeps blocks, twenty have some that may be in no sample.
@test "their stacks stay while they do, and others leave the table" {
	local n
	require_deferring
	open_pump
	MEMLEAK_SAMPLE_BYTES=1 LD_PRELOAD=$ROOT/libmemleak.so "$PROGRAMS/passing" <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	target=$!
	tell "pass 0 0"
	start_tool -p "$target" --sample-bytes 1 -o 0 -i 3600 --max-stacks 1000
	ask_report
	for ((n = 0; n < 20; n++)); do
		tell "pass $((n * 200)) 200" "pass $((n * 200)) 200" "pass $((n * 200)) 200"
		ask_report
	done
	ask_report
	holds '[.processes[0].stacks[] | select(.frames[0].symbol == "digits_end" and .bytes > 22 * 3) | .blocks] |
		length == 320 and unique == [3]'
	sums
	end_tool
	kill "$target"
	wait_until 10 gone "$target"
}

@test "... and none is lost while they are taken out" {
	local n
	require_deferring
	for ((n = 0; n < 500; n++)); do
		echo "pass 0 1000"
	done >"$BATS_TEST_TMPDIR/orders"
	"$MEMLEAK" -f json --output "$report" -T 100000 $ALL -i 0.05 --max-stacks 1100 -- \
		"$PROGRAMS/passing" <"$BATS_TEST_TMPDIR/orders" >"$out" 2>"$err" 3>&- 4>&-
	holds '[.processes[0].stacks[] | select(.frames[0].symbol == "digits_end" and .bytes > 22 * 500) | .blocks] |
		length == 80 and unique == [500]'
	holds '.losses | add == 0'
}

@test "--blocks-dir: the file of a block is gone soon after it" {
	local blocks=$BATS_TEST_TMPDIR/blocks
	require_deferring
	has_files() { [ "$(find "$blocks" -name '0x*.mem' | wc -l)" = "$1" ]; }
	MEMLEAK_SAMPLE_BYTES=1 start_hooked
	start_tool -p "$target" --sample-bytes 1 -i 1000 --blocks-dir "$blocks"
	ask_report
	warm_up
	tell "leak 10 100"
	wait_until 10 has_files 10
	tell "free 3"
	wait_until 10 has_files 7
	end_tool
	tell "exit 0"
}
