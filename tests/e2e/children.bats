#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031,SC2016 # set by helper.bash; a test is a subshell
# Children of a command, libraries that come late, and what remains in the tool of what has gone.

load helper

# Each process that states its truth is in the report with it.
check_children() {
	require_bpf
	COMPARE="--others --outer=any ${COMPARE:-}" compare report "$report" "$expect"
}

# run_tool COMMAND...: as it is typed, JSON into $report; sets $status.
run_tool() {
	status=0
	"$MEMLEAK" -f json --output "$report" --top 100000 "$@" >"$out" 2>"$err" </dev/null 3>&- 4>&- ||
		status=$?
}

@test "a pipeline of a shell" {
	require_bpf
	run_tool -c "sh -c '$PROGRAMS/malloc_one | $PROGRAMS/family | $PROGRAMS/churn 0 77'"
	[ "$status" = 0 ]
	[ "$(wc -l <"$expect")" = 3 ]
	check_children
}

@test "a vfork child that allocates and frees in its parent's memory" {
	require_bpf
	run_tool -- "$PROGRAMS/vforks"
	[ "$status" = 0 ]
	check_children
	# Ended without exec, it has left nothing behind either.
	run_tool --no-follow -- "$PROGRAMS/vforks"
	[ "$status" = 0 ]
	holds '[.processes[].errors[]] == []'
}

@test "make -j4" {
	local n
	require_bpf
	require_command make
	{
		printf 'all: '
		echo n{1..12}
		printf 'n%%:\n\t@%s 0 $*00\n' "$PROGRAMS/churn"
	} >"$BATS_TEST_TMPDIR/Makefile"
	run_tool -c "make -s -j4 -f $BATS_TEST_TMPDIR/Makefile"
	[ "$status" = 0 ]
	[ "$(wc -l <"$expect")" = 12 ]
	check_children
	holds '[.processes[] | select(.comm == "churn").outstanding.bytes] | add == 7800'
}

@test "a server that forks for every request" {
	require_bpf
	run_tool -- "$PROGRAMS/churn" 100 300
	[ "$status" = 0 ]
	[ "$(wc -l <"$expect")" = 101 ]
	check_children
}

@test "vfork and exec, one after the other" {
	require_bpf
	run_tool -- "$PROGRAMS/churn" 100 300 vfork
	[ "$status" = 0 ]
	[ "$(wc -l <"$expect")" = 101 ]
	check_children
}

@test "daemons that fork twice" {
	require_bpf
	run_tool -- "$PROGRAMS/churn" 20 300 daemon
	[ "$status" = 0 ]
	[ "$(wc -l <"$expect")" = 21 ]
	check_children
}

# late_library TOP OPTION...: what a library gives out 50 ms after it came is seen. PID: its process.
late_library() {
	require_bpf
	: >"$answers"
	mkfifo "$BATS_TEST_TMPDIR/orders"
	exec {pump_fd}<>"$BATS_TEST_TMPDIR/orders"
	"$PROGRAMS/late" "$PROGRAMS/liblate.so" 50 <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	target=$!
	TOP=$1 start_tool -i 3600 -o 0 "${@:2}" ${PID:+"$target"}
	ask_report
	echo >&"$pump_fd"
	asked=1
	wait_until 20 answered
	end_tool
	[ "$status" = 0 ]
	holds "[.processes[] | select(.pid == $target).stacks[] |
		select(.frames[0].symbol == \"leak_late\").blocks] == [10]"
	unharmed "$target"
	kill "$target"
}

@test "-p: a library that comes late" { PID=1 late_library 100 -p; }
@test "-A: a library that comes late" { late_library 10 -A; }

# What remains at its end is libc's: time zones, the stack of a thread.
@test "the tool run on itself loses nothing" {
	require_bpf
	EXPECT='' run_tool --no-follow -- "$MEMLEAK" -f json --output /dev/null --resource files,dirs \
		--alloc-fn malloc_one:family=ours --free-fn nobody -- "$PROGRAMS/resources"
	[ "$status" = 0 ]
	compare sane "$report" --outer=any
	holds '.processes[0].comm == "memleak-bpf" and .processes[0].allocs > 1000'
	holds '[.processes[0].stacks[] | select(.family == "malloc") |
		select(.frames[0].module | test("/(libc|ld)[^/]*[.]so") | not)] == []'
}

# Some end in the midst of the reading of the kernel's tables: nothing of them goes astray.
@test "brief children, reports all the time" {
	require_bpf
	run_tool -T 1000 -o 0 -i 0.002 --leak-check=no -- "$PROGRAMS/brief" 300
	[ "$status" = 0 ]
	compare sane "$report" --outer=any
	holds '[.processes[] | select(.comm == "brief" and .running == false and .allocs == 3)] | length == 300'
	holds '[.processes[] | select(.allocs == 3) | select(.mmap.blocks != 1 or
		([.stacks[] | select(.family == "malloc").blocks] | add) != 3)] == []'
}
