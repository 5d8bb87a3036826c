#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# What is lost where pointers are kept in unusual places, and where memory is not what it seems.

load helper

MAX_MAPPINGS=/proc/sys/vm/max_map_count

eval "common_$(declare -f teardown)"
teardown() {
	[ ! -s "$BATS_TEST_TMPDIR/max_mappings" ] || cat "$BATS_TEST_TMPDIR/max_mappings" >"$MAX_MAPPINGS"
	common_teardown
}

# lost CASE: the final report says what Valgrind says.
lost() {
	require_bpf
	require_command valgrind
	require_program leaks_odd
	profile leaks_odd "$1"
	compare leaks "$report" "$(under_valgrind leaks_odd "$1")"
}

@test "containers of thread-local data" { lost thread_containers; }
@test "std::function with a shared_ptr" { lost function; }
@test "a register of a thread that waits in the kernel" { lost wait_with_register; }
@test "a context that was left, its stack a block" { lost context; }
@test "setjmp's buffer" { lost jump_buffer; }
@test "a hundred keys of pthread_setspecific" { lost specific; }
@test "thread-local data of a library that came with dlopen" {
	require_bpf
	# The linker keeps pointers into blocks of its own (a thread's table of such data): what hangs on them
	# is possibly lost, and whether one that it aligns keeps its place is a matter of luck.
	profile leaks_odd library_tls
	[ "$status" -eq 0 ]
	holds '.processes[0].leaks | .definite.blocks == 0 and .indirect.blocks == 0'
	holds '[.processes[0].stacks[] | select(.frames[0].symbol == "set_tls()") | .verdict] | sort ==
		["possible", "reachable"]'
}
@test "an exception in flight" { lost exception; }
@test "std::exception_ptr" { lost exception_pointer; }
@test "coroutines" { lost coroutine; }
@test "shared anonymous memory, huge pages" { lost mappings; }
@test "pointers with marks in their bits" { lost tagged; }
@test "pointers that only the kernel has" { lost kernel; }
@test "characters that are pointers" { lost text; }
@test "virtual base classes" { lost virtual_bases; }
@test "a pointer to the second element of new[]" { lost arrays; }
@test "a packed struct" { lost packed; }
@test "std::any, std::variant, std::pmr" { lost variants; }
@test "a program that moves the heap's end" {
	require_bpf
	require_program leaks_odd
	# Not by Valgrind: one run in fifty it sees a pointer into one of them somewhere.
	profile leaks_odd moved_break
	holds '.processes[0].leaks | .definite == {"blocks": 200, "bytes": 200000} and .possible.blocks == 0
		and .indirect.blocks == 0'
	# The largest is what libstdc++ keeps for exceptions.
	holds '[.processes[0].stacks[] | select(.verdict == "reachable") | .bytes] | sort | .[:2] == [606, 707]
		and length == 3'
}
@test "aligned blocks" { lost aligned; }

@test "what only a register holds, however wide, is not lost" {
	local n
	require_bpf
	open_pump
	"$MEMLEAK" -f json --output "$report" -a -o 0 --leak-check each -i 1000 --show-reachable-path -- "$PROGRAMS/registers" \
		<&"$pump_fd" >"$answers" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
	wait_until 20 grep -q ready "$answers"
	n=$(head -1 "$answers")
	ask_report
	echo >&"$pump_fd"
	wait_for_tool
	[ "$status" -eq 0 ]
	jq -e -s --argjson n "$n" '.[0].processes[0] |
		([.stacks[] | select(.verdict == "definite") | .frames[0].symbol] == ["lost"]) and
		([.stacks[] | select(.path.root.kind == "register") |
			(.path.root.name | sub("[0-9]+"; "")) == (.frames[0].symbol | sub("general"; "r"))] |
			length == $n and all)' "$report" ||
		{
			jq -c '.processes[0].stacks[] | [.verdict, .frames[0].symbol, .path.root]' "$report"
			return 1
		}
}

# reallocs OPTION...: checks of a program that moves an array of pointers all the time.
reallocs() {
	local n
	require_bpf
	open_pump
	# In the heap, by copying.
	GLIBC_TUNABLES=glibc.malloc.mmap_threshold=1000000000:glibc.malloc.trim_threshold=1000000000 \
		"$MEMLEAK" "$@" -f json --output "$report" -o 0 --leak-check each -i 0.05 -- "$PROGRAMS/reallocs" \
		<&"$pump_fd" >"$answers" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
	wait_until 20 grep -q ready "$answers"
	n=$(($(nr_reports) + 1)) # one may have begun before
	wait_until 60 has_reports $((n + 40))
	echo >&"$pump_fd"
	wait_for_tool
	[ "$status" -eq 0 ]
	jq -e -s --argjson n "$n" '[.[$n:][].processes[].leaks | .definite.blocks + .indirect.blocks] |
		length > 30 and add == 0' "$report"
}

@test "what an array holds that realloc is moving is not lost" { reallocs; }
@test "what an array holds that realloc is moving is not lost, with --preload" { reallocs --preload; }

@test "memory that vanishes while it is read" {
	local n
	require_bpf
	open_pump
	"$MEMLEAK" -f json --output "$report" -o 0 --leak-check each -i 0.05 -- "$PROGRAMS/vanishing" "$BATS_TEST_TMPDIR/file" \
		<&"$pump_fd" >"$answers" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
	wait_until 20 grep -q ready "$answers"
	n=$(($(nr_reports) + 1)) # one may have begun before
	wait_until 60 has_reports $((n + 30))
	echo >&"$pump_fd"
	wait_for_tool
	[ "$status" -eq 0 ]
	jq -e -s --argjson n "$n" '[.[$n:][].processes[] | select(.leaks and .allocs > 0) | .leaks | .definite.blocks == 100 and .reachable.blocks >= 500] |
		length >= 20 and all' "$report" || {
		jq -c '.processes[] | [.pid, .leaks]' "$report" | sort | uniq -c
		return 1
	}
}

@test "100,000 mappings" {
	local before
	require_bpf
	before=$(cat "$MAX_MAPPINGS")
	if [ "$before" -lt 130000 ]; then
		echo "$before" >"$BATS_TEST_TMPDIR/max_mappings"
		echo 130000 2>/dev/null >"$MAX_MAPPINGS" || skip "no more than $before mappings are allowed here"
	fi
	profile leaks hostile 120000
	[ "$status" -eq 0 ]
	"$PYTHON" "$COMPARE_PY" sane "$report"
	holds '.processes[0] | .pause_ms < 5000 and
		(.leaks | .definite.blocks > 0 and ([.[].blocks] | add == 20001))'
}
