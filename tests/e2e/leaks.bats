#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# What is lost, by reachability: Valgrind is the oracle, category by category.

load helper

# lost COMMAND...: the final report says what Valgrind says.
lost() {
	require_bpf
	require_command valgrind
	require_program "$1"
	profile "$@"
	compare leaks "$report" "$(under_valgrind "$@")"
}

# kind NAME: blocks of it in the last report, of the only process.
kind() {
	jq -s ".[-1].processes[0].leaks.$1.blocks" "$report"
}

@test "a program without a block" { lost nothing; }
@test "plain losses" { lost leaks plain; }
@test "chains" { lost leaks chain; }
@test "trees" { lost leaks tree; }
@test "a chain of 100,000" { lost leaks deep; }
@test "cycles" {
	lost leaks cycle
	# Two rings, one of which is still closed by its other pointers.
	holds '[.processes[0].stacks[] | select(.cycle) | .blocks] | add == 7'
}
@test "cycles that lead to cycles" { lost leaks cycles; }
@test "interior pointers" { lost leaks interior; }
@test "pointers behind the end" { lost leaks behind; }
@test "a length before the data" { lost leaks length64; }
@test "threads" { lost leaks threads; }
@test "threads that have ended" { lost leaks ended_thread; }
@test "exec by a thread whose first one has ended" {
	lost exec_by_thread --alone "$PROGRAMS/exec_by_thread" --lose
}
@test "thread-local data" { lost leaks tls; }
@test "a register" { lost leaks in_register; }
@test "the stack" { lost leaks on_stack; }
@test "a signal handler" { lost leaks in_handler; }
@test "a signal handler on a stack of its own" { lost leaks on_altstack; }
@test "a stack that nobody runs on" { lost leaks context; }
@test "a mapping" { lost leaks mapped; }
@test "shared memory" { lost leaks shared; }
@test "the data of a library" { lost leaks library; }
@test "freed memory and the allocator's own pointers" { lost leaks stale; }
@test "chunk headers within blocks" { lost leaks overlaps; }
@test "large and aligned blocks" { lost leaks large; }
@test "realloc" { lost leaks reallocated; }
@test "a base class that is not the first" { lost leaks_cxx bases; }
@test "new[] of classes with destructors" { lost leaks_cxx array; }
@test "std::string of the old ABI" { lost leaks_cxx text; }
@test "containers" { lost leaks_cxx containers; }
@test "after abort" { STATUS=134 lost leaks plain abort; }
@test "after a signal" { lost leaks chain term; }
@test "after _exit" { lost leaks tree _exit; }
@test "service" { lost service 0.2; }
@test "threads with caches" { lost thread_caches; }

@test "without following children there is a check too" {
	TOOL="--no-follow" lost leaks chain
}

@test "a forked child's inherited blocks are not its own, and keep what they hold" {
	require_bpf
	profile leaks forked
	[ "$status" -eq 0 ]
	jq -e -s '.[-1].processes | length == 2 and all(.leaks != null)' "$report"
	jq -e -s '[.[-1].processes[].leaks.definite.bytes] | sort == [51, 52]' "$report"
	jq -e -s '[.[-1].processes[].leaks.reachable.bytes] | sort == [0, 53]' "$report"
}

@test "what hides behind mprotect is still referenced" {
	require_bpf
	profile leaks sealed
	[ "$(kind definite)" -eq 0 ]
	[ "$(kind reachable)" -eq 1 ]
}

@test "lost objects have the names of their classes" {
	lost leaks_cxx session
	holds '[.processes[0].stacks[] | select(.verdict == "definite") | .type] == ["app::Session"]'
}

@test "cycles of shared_ptr" {
	lost leaks_cxx shared
	holds '[.processes[0].stacks[] | select(.cycle) | .type] | all(startswith("std::_Sp_counted")) and length == 2'
}

@test "a shared_ptr cycle is named with its classes, and what to do" {
	require_bpf
	profile leaks_cxx shared_new
	holds '[.processes[0].stacks[].remedy | select(.)] | length == 1 and
		(.[0] | test("shared_ptr cycle .*app::Parent") and test("app::Child") and test("weak_ptr"))'
	"$MEMLEAK" -- "$PROGRAMS/leaks_cxx" shared_new >"$out" 2>"$err"
	grep -q -- '-> shared_ptr cycle (.*app::.*, app::.*): .*weak_ptr' "$out"
}

@test "a remedy is that of the block's own cycle" {
	lost leaks_cxx two_cycles
	holds '[.processes[0].stacks[] | select(.remedy) | {remedy, tree: (.frames | tostring | test("\"tree"))}] |
		map(select(.tree).remedy | test("never deleted, and its blocks")) == [true] and
		(map(select(.tree | not).remedy | test("shared_ptr cycle .app::Child, app::Parent.:")) | all)'
}

@test "what was never deleted, and what was never freed, say so" {
	require_bpf
	profile leaks_cxx session
	holds '[.processes[0].stacks[].remedy | select(.)] | length == 1 and (.[0] | test("never deleted"))'
	profile leaks plain
	holds '[.processes[0].stacks[].remedy | select(.)] | all(test("never freed"))'
}

# kept ROOT NAME FUNCTION...: a path from such a root through blocks that these functions allocated.
kept() {
	local root=$1 name=$2
	shift 2
	jq -e -s --arg root "$root" --arg name "$name" --arg functions "$*" \
		'[.[-1].processes[].stacks[].path | select(.) | select(.root.kind == $root and
			(.root.name // "") == $name and ([.blocks[].function] | join(" ")) == $functions)] |
			length > 0' "$report"
}

@test "--show-reachable-path: of the program, not of another one that had its path before" {
	require_bpf
	TOOL="--show-reachable-path" profile sh -c "cd '$BATS_TEST_TMPDIR'; cp '$PROGRAMS/family' app; ./app
		rm app; cp '$PROGRAMS/leaks' app; ./app chain"
	kept global keep chain
}

@test "--show-reachable-path: of a program whose file is gone" {
	require_bpf
	cp "$PROGRAMS/pump" "$BATS_TEST_TMPDIR/pump"
	PROGRAMS=$BATS_TEST_TMPDIR start_pump
	start_tool -p "$target" -o 0 -i 3600 --leak-check=final --show-reachable-path
	ask_report
	rm "$BATS_TEST_TMPDIR/pump"
	tell "leak 5 100"
	end_tool
	[ "$status" = 0 ]
	kept global kept pump_leak
	tell "exit 0"
}

@test "--show-reachable-path: variables, stacks, threads, mappings, libraries" {
	require_bpf
	TOOL="--show-reachable-path" profile leaks chain
	kept global keep chain
	holds '[.processes[0].stacks[] | select(.verdict == "definite" and .path)] == []'
	TOOL="--show-reachable-path" profile leaks on_stack
	kept stack on_stack on_stack
	"$MEMLEAK" --show-reachable-path -- "$PROGRAMS/leaks" on_stack >"$out" 2>"$err"
	grep -q 'kept by the stack of thread [0-9]*, in the frame of on_stack, sp+0x[0-9a-f]* (leaks)$' "$out"
	TOOL="--show-reachable-path" profile leaks tls
	kept tls "" tls
	TOOL="--show-reachable-path" profile leaks threads
	kept stack hold hold
	kept tls "" hold
	kept global keep2 end
	TOOL="--show-reachable-path" profile leaks in_handler
	kept stack handler handler
	TOOL="--show-reachable-path" profile leaks library
	kept global keeper_kept library
	holds '[.processes[0].stacks[].path | select(.root.name == "keeper_kept").root.module] |
		length == 1 and (.[0] | endswith("/libkeeper.so"))'
	TOOL="--show-reachable-path" profile leaks mapped
	kept mapping "" mapped
	TOOL="--show-reachable-path" profile leaks_cxx containers
	holds '[.processes[0].stacks[] | select(.verdict == "reachable" and (.path | not))] == []'
}

@test "--show-reachable-path: a chain of 100,000, as text, and from a saved profile" {
	require_bpf
	"$MEMLEAK" --show-reachable-path -w "$BATS_TEST_TMPDIR/p.pb.gz" -- "$PROGRAMS/leaks" held >"$out" 2>"$err"
	grep -A 20 'kept by global keep+0x0 (leaks)' "$out" >"$BATS_TEST_TMPDIR/live"
	grep -q -- '-> ... 99,984 more blocks' "$BATS_TEST_TMPDIR/live"
	[ "$(grep -c -- '-> 64 B, malloc by held' "$BATS_TEST_TMPDIR/live")" -eq 16 ]
	"$MEMLEAK" report --show-reachable-path "$BATS_TEST_TMPDIR/p.pb.gz" |
		grep -A 20 'kept by global keep+0x0 (leaks)' | diff "$BATS_TEST_TMPDIR/live" -
}

@test "--show-reachable-path on a process that runs" {
	require_bpf
	start_service
	start_tool -p "$target" --leak-check each --show-reachable-path -o 0 -i 1000
	wait_until 20 loses 1
	end_tool
	[ "$status" -eq 0 ]
	holds '[.processes[0].stacks[] | select(.path and .verdict != "reachable")] == []'
	unharmed "$target"
	kill "$target"
}

@test "--leak-check=no" {
	require_bpf
	TOOL="--leak-check=no" profile leaks plain
	holds '.processes[0] | .leaks == null and .pause_ms == null and all(.stacks[]; .verdict == null)'
}

# The program that loses blocks until it is killed, in the background; its pid is $target.
start_service() {
	"$PROGRAMS/leaks" service >"$out" 2>&1 3>&- 4>&- &
	target=$!
}

loses() {
	ask_report
	holds '.processes[0] | .leaks.definite.blocks >= '"$1"
}

@test "--leak-check=each, attached in mid-life" {
	require_bpf
	start_service
	start_tool -p "$target" --leak-check each -o 0 -i 1000
	wait_until 20 loses 5
	holds '.processes[0] | .leaks.definite.bytes == 100 * .leaks.definite.blocks and .pause_ms > 0'
	holds '.processes[0] | .leaks.reachable.blocks <= 1 and .leaks.possible.blocks == 0'
	"$PYTHON" "$COMPARE_PY" sane "$report" --no-final
	end_tool
	[ "$status" -eq 0 ]
	holds '.final and .processes[0].leaks.definite.blocks >= 5'
	unharmed "$target"
	kill "$target"
}

@test "without --leak-check -p checks nothing" {
	require_bpf
	start_service
	start_tool -p "$target" -i 1000
	ask_report
	end_tool
	holds '.processes[0].leaks == null'
	kill "$target"
}

@test "a leak check that comes once changes no growth" {
	require_bpf
	start_pump
	start_tool -p "$target" -i 1000 -o 0 --leak-check final
	ask_report
	tell "leak 100 1000"
	ask_report
	ask_report
	holds '[.processes[0].stacks[] | .growth_bytes_per_s == 0] | all and length == 1'
	end_tool
	holds '[.processes[0].stacks[] | .verdict != null and .growth_bytes_per_s == 0] | all and length > 0'
	tell "exit 0"
}

# The target is neither stopped nor traced.
runs_on() {
	grep -q '^TracerPid:[[:space:]]*0$' "/proc/$target/status" &&
		grep -q '^State:[[:space:]]*[RS]' "/proc/$target/status"
}

@test "the target runs on when the tool is killed in the middle of a check" {
	require_bpf
	start_service
	for _ in 1 2 3 4 5 6; do
		start_tool -p "$target" --leak-check each -o 0 0.001
		wait_until 20 has_reports 3
		kill -KILL "$tool_pid"
		wait "$tool_pid" || true
		wait_until 10 runs_on
	done
	unharmed "$target"
	kill "$target"
}

@test "--error-exitcode" {
	require_bpf
	TOOL="--error-exitcode=42" profile leaks plain
	[ "$status" -eq 42 ]
	TOOL="--error-exitcode=42" profile nothing
	[ "$status" -eq 0 ]
	profile leaks plain
	[ "$status" -eq 0 ]
}

# suppress STATUS SUPPRESSED DEFINITE LINE...: bytes of leaks plain with one entry of these lines.
suppress() {
	local expected=$1 suppressed=$2 definite=$3
	shift 3
	printf '%s\n' '# a comment' '{' '   name' '   Memcheck:Leak' "$@" '}' >"$BATS_TEST_TMPDIR/supp"
	TOOL="--suppressions=$BATS_TEST_TMPDIR/supp --error-exitcode=7" profile leaks plain
	[ "$status" -eq "$expected" ]
	holds ".processes[0].leaks | .suppressed.bytes == $suppressed and .definite.bytes == $definite"
}

@test "--suppressions" {
	require_bpf
	suppress 0 1110 0 fun:malloc fun:plain
	suppress 0 110 0 'match-leak-kinds: definite' 'fun:mal*' ... 'fun:ma?n'
	suppress 7 1000 110 'match-leak-kinds: reachable' fun:malloc 'obj:*/leaks'
	suppress 7 0 110 fun:plain
	suppress 7 0 110 fun:calloc fun:plain fun:main fun:main
	holds '.processes[0].stacks | all(.suppressed == null)'
}

@test "--gen-suppressions writes what --suppressions reads" {
	require_bpf
	"$MEMLEAK" --gen-suppressions -- "$PROGRAMS/leaks_cxx" session >"$out" 2>"$err"
	sed -n '/^{$/,/^}$/p' "$out" >"$BATS_TEST_TMPDIR/supp"
	[ "$(grep -c '^{$' "$BATS_TEST_TMPDIR/supp")" -eq 1 ]
	TOOL="--suppressions=$BATS_TEST_TMPDIR/supp" profile leaks_cxx session
	holds '.processes[0].leaks | .definite.blocks == 0 and .suppressed.blocks == 1'
}

@test "suppressions that are none are refused" {
	local text
	refused 1 "supp" --suppressions "$BATS_TEST_TMPDIR/missing" -- /bin/true
	for text in 'name' '{' $'{\nx\nMemcheck:Leak\n}' $'{\nx\nMemcheck:Leak\nfan:x\n}' \
		$'{\nx\nMemcheck:Leak\nmatch-leak-kinds: lost\nfun:x\n}' $'{\nx\nMemcheck:Addr4\nfun:x'; do
		printf '%s\n' "$text" >"$BATS_TEST_TMPDIR/supp"
		refused 1 "supp:[0-9]+: " --suppressions "$BATS_TEST_TMPDIR/supp" -- /bin/true
	done
}

@test "--show-leak-kinds" {
	require_bpf
	"$MEMLEAK" -- "$PROGRAMS/leaks" chain >"$out"
	grep -q 'definitely lost$' "$out"
	! grep -qE '(indirectly lost|still reachable)$' "$out" || false
	grep -q 'not shown, see --show-leak-kinds' "$out"
	"$MEMLEAK" --show-leak-kinds=reachable,indirect -- "$PROGRAMS/leaks" chain >"$out"
	grep -q 'indirectly lost$' "$out"
	grep -q 'still reachable$' "$out"
	! grep -q 'definitely lost$' "$out" || false
}

@test "LEAK SUMMARY" {
	require_bpf
	"$MEMLEAK" -- "$PROGRAMS/leaks" plain >"$out"
	grep -A 5 '^LEAK SUMMARY:$' "$out" >"$BATS_TEST_TMPDIR/summary"
	diff - "$BATS_TEST_TMPDIR/summary" <<-END
		LEAK SUMMARY:
		   definitely lost: 110 bytes in 3 blocks
		   indirectly lost: 0 bytes in 0 blocks
		     possibly lost: 0 bytes in 0 blocks
		   still reachable: 1,000 bytes in 2 blocks
		        suppressed: 0 bytes in 0 blocks
	END
}

@test "a check knows every block of a heap that changes all the time" {
	require_bpf
	open_pump
	"$PROGRAMS/bulk" 50000 256 busy <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	target=$!
	start_tool -p "$target" -o 0 --leak-check each -i 0.2
	wait_until 20 has_reports 1
	echo >&"$pump_fd"
	wait_until 30 grep -q ok "$answers"
	wait_until 30 has_reports $(($(nr_reports) + 5))
	end_tool TERM
	[ "$status" -eq 0 ]
	jq -e -s 'all(.[].processes[0]; ([.leaks[].blocks] | add) == .outstanding.blocks and
		([.leaks[].bytes] | add) == .outstanding.bytes)' "$report"
	jq -e -s '.[-1].processes[0].frees > 1000 and .[-1].processes[0].leaks.definite.blocks > 400' "$report"
	kill "$target"
}

# in_mid_life: checks of $target while it works, none of which calls a block lost that is not.
# For LEAK_SECONDS there is one every two seconds, otherwise a few in a row.
in_mid_life() {
	local every=0.7 checks=6
	if [ -n "${LEAK_SECONDS:-}" ]; then
		every=2
		checks=$((LEAK_SECONDS / 2))
	fi
	start_tool -p "$target" -a -o 0 --leak-check each "$every" "$checks"
	PATIENCE=$((60 + 4 * checks)) wait_for_tool
	[ "$status" -eq 0 ]
	"$PYTHON" "$BATS_TEST_DIRNAME/still_used.py" "$report" $((checks - 1)) | tee -a "${LEAK_LOG:-/dev/null}"
	[ "${PIPESTATUS[0]}" -eq 0 ]
}

@test "a hostile heap, many mappings, memory without end" {
	require_bpf
	profile leaks hostile
	[ "$status" -eq 0 ]
	"$PYTHON" "$COMPARE_PY" sane "$report"
	holds '.processes[0].leaks | .definite.blocks > 0 and ([.[].blocks] | add == 20001)'
}

@test "python3 and sqlite3 in mid-life: nothing in use is called lost" {
	require_bpf
	PYTHONMALLOC=malloc "$PYTHON" "$BATS_TEST_DIRNAME/busy.py" $((100 + ${LEAK_SECONDS:-0})) >"$out" 2>&1 3>&- 4>&- &
	target=$!
	in_mid_life
	kill "$target"
}

@test "node in mid-life: nothing in use is called lost" {
	require_bpf
	require_command node
	node "$BATS_TEST_DIRNAME/busy.js" $((100 + ${LEAK_SECONDS:-0})) >"$out" 2>&1 3>&- 4>&- &
	target=$!
	in_mid_life
	kill "$target"
}

@test "sqlite3 in mid-life: nothing in use is called lost" {
	local feeder
	require_bpf
	require_command sqlite3
	mkfifo "$BATS_TEST_TMPDIR/sql"
	sqlite3 "$BATS_TEST_TMPDIR/db" <"$BATS_TEST_TMPDIR/sql" >/dev/null 2>"$out" 3>&- 4>&- &
	target=$!
	while cat "$BATS_TEST_DIRNAME/busy.sql"; do :; done >"$BATS_TEST_TMPDIR/sql" 2>/dev/null 3>&- 4>&- &
	feeder=$!
	in_mid_life
	kill "$feeder"
	kill "$target"
}

@test "threads of C++ in mid-life: nothing in use is called lost" {
	require_bpf
	"$PROGRAMS/busy_cxx" $((100 + ${LEAK_SECONDS:-0})) >"$out" 2>&1 3>&- 4>&- &
	target=$!
	in_mid_life
	kill "$target"
}

@test "redis-server under load in mid-life: nothing in use is called lost" {
	local load
	require_bpf
	require_redis
	"$redis_server" --unixsocket "$BATS_TEST_TMPDIR/socket" --port 0 --save '' --daemonize no \
		--pidfile "$BATS_TEST_TMPDIR/pidfile" >"$out" 2>&1 3>&- 4>&- &
	target=$!
	echo "$target" >"$BATS_TEST_TMPDIR/pidfile"
	wait_until 20 [ -S "$BATS_TEST_TMPDIR/socket" ]
	redis-benchmark -s "$BATS_TEST_TMPDIR/socket" -q -l -n 20000 -r 10000 -t set,lpush,hset,zadd \
		>/dev/null 2>&1 3>&- 4>&- &
	load=$!
	in_mid_life
	kill "$load"
	kill "$target"
	wait_until 10 gone "$target"
	rm -f "$BATS_TEST_TMPDIR/pidfile"
}
