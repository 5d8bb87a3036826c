#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034 # set by helper.bash
# Stacks without frame pointers: the walk by unwind tables. The letters are those of the acceptance list
# that the unwinder was built to; L (tables equal to elfutils') is tests/unit/test_unwind_elfutils, M
# (fuzzing) tests/fuzz, N (kernels) tests/vm.

load helper

# frames PROGRAM KIND [ARG]: the tool's frames are gdb's.
frames() {
	require_bpf
	require_command gdb
	require_program "$1"
	profile "$@"
	[ "$status" = 0 ]
	"$PYTHON" "$ROOT/tests/e2e/frames.py" "$report" "$PROGRAMS/$1" "${@:2}"
}

# complete SHARE COMMAND...: of the command's stacks at least SHARE (per mille) are complete.
complete() {
	local share=$1 line
	shift
	require_bpf
	TOOL="-v ${TOOL:-}" profile "$@"
	line=$(grep 'stacks: ' "$err") || {
		cat "$err"
		return 1
	}
	echo "$line" | awk -v share="$share" '{
		gsub(",", "")
		for (i = 1; i < NF; i++) {
			if ($(i + 1) == "complete") c = $i
			if ($(i + 1) == "truncated") t = $i
			if ($(i + 1) ~ /^broken/) b = $i
		}
		printf "%d complete, %d truncated, %d broken: %.3f %%\n", c, t, b, 100 * (c + t) / (c + t + b)
		exit !(c > 0 && (c + t) * 1000 >= share * (c + t + b))
	}'
	grep -E 'stacks broken' "$err" || true
}

@test "A: recursion 20, 120, 121, 122, 123 and 500 deep" {
	for n in 20 120 121 122 123 500; do
		profile frames recursion "$n"
		# allocate, the recursion with its first call, main and three of the C library
		holds "[.processes[0].stacks[].frames] | max_by(length) | length ==
			([$n + 6, 127] | min)"
		holds ".losses.truncated_stacks == (if $n > 121 then 1 else 0 end) and
			.losses.broken_stacks == 0"
	done
	TOOL=--stack-depth=400 profile frames recursion 390
	holds '.losses.truncated_stacks == 0 and
		([.processes[0].stacks[].frames | length] | max) == 396'
}
@test "A: 60 deep, as gdb sees it" { frames frames recursion 60; }
@test "B: alloca and VLA" { frames frames alloca; }
@test "B: a realigned stack with alloca" { frames frames realigned; }
@test "B: a realigned stack" { frames frames realigned_plain; }
@test "B: a frame of 1 MiB" { frames frames big; }
@test "B: frames at the ends of pages, beyond which nothing can be read" {
	for program in edges edges_fp; do
		COMPARE=--outer=any check $program
		# Two calls, each of which has made the same stack at each of 256 places.
		holds '[.processes[0].stacks[] | select(.frames[0].symbol == "leak").blocks] == [256, 256]'
		holds '[.processes[0].stacks[] | select(.frames[0].symbol == "leak").frames[0:4] |
			map(.symbol)] | unique == [["leak", "between", "shifted", "run"]]'
		holds '.losses.broken_stacks == 0'
	done
}
@test "C: C++ containers: no frame outside of a file" {
	require_bpf
	profile containers
	holds '[.processes[].stacks[].frames[] | select(.module == null or
		(.module | startswith("/") | not))] | length == 0'
}
@test "C: std::map" { frames frames_cxx map; }
@test "C: callbacks through libstdc++" { frames frames_cxx sort; }
@test "C: virtual calls and std::function" { frames frames_cxx virtual; }
@test "C: an exception passes: in its destructor" { frames frames_cxx destructor; }
@test "C: an exception passes: where it is caught" { frames frames_cxx catch; }
@test "C: std::thread" { frames frames_cxx thread; }
@test "C: callbacks through qsort" { frames frames qsort; }
@test "D: a signal handler" { frames frames signal; }
@test "D: a signal handler on its own stack" { frames frames altstack; }
@test "D: a signal at a function's first instruction" { frames frames fault; }
@test "D: a signal in the vDSO" {
	require_bpf
	profile frames vdso
	holds '.losses.broken_stacks == 0 and ([.processes[0].stacks[].frames |
		[.[].module | select(. == "[vdso]")] | length] | max >= 1)'
	holds '[.processes[0].stacks[] | select(.frames | map(.symbol) |
		contains(["through_vdso", "main"]))] | length == 1'
}
@test "D: a signal while there is no stack: nothing is made up" {
	require_bpf
	require_program no_stack
	profile no_stack
	[ "$status" = 0 ]
	holds '.losses.broken_stacks == 20'
	holds '[.processes[0].stacks[] | .frames | (map(.symbol) | .[0] == "leak_in_handler" and
		.[2] == "without_stack") and length == 3] | length > 0 and all'
}
@test "D: longjmp over frames that allocated" { check longjmps; }
@test "E: the first call, through lazy binding" { LD_BIND_NOW='' frames frames plain; }
@test "E: hand-written code with unwind information" { frames frames asm_cfi; }
@test "E: hand-written code without it, by frame pointer" {
	frames frames asm
	holds '[.processes[0].stacks[].frames[] | select(.by_frame_pointer)] | length >= 1'
}
@test "E: libcrypto" {
	require_command openssl
	complete 1000 openssl speed -bytes 64 -seconds 1 sha256
}
@test "F: static-pie" {
	frames frames_static_pie qsort
	frames frames_static_pie signal
}
@test "F: not position-independent" { check malloc_one_nopie; }
@test "F: stripped" {
	frames frames_split qsort
	frames frames_split recursion
	frames frames_stripped qsort
	frames frames_stripped recursion
	frames frames_cxx_stripped sort
}
@test "F: musl" { COMPARE=--outer=main check malloc_one_musl; }
@test "G: python3 with sqlite3: at least 99.9 % complete" {
	PYTHONMALLOC=malloc complete 999 "$PYTHON" -c '
import json, sqlite3
c = sqlite3.connect(":memory:")
c.execute("create table t(a, b)")
c.executemany("insert into t values(?, ?)", [(i, str(i)) for i in range(300)])
json.dumps(c.execute("select * from t").fetchall())'
}
@test "G: a C++ compiler: at least 99.9 % complete" {
	require_command g++
	echo '#include <cstddef>
template<int N> struct F { static constexpr int v = F<N - 1>::v + 1; };
template<> struct F<0> { static constexpr int v = 0; };
int main() { return F<100>::v; }' >"$BATS_TEST_TMPDIR/f.cc"
	complete 999 g++ -c -o /dev/null "$BATS_TEST_TMPDIR/f.cc"
}
@test "G: redis-server: at least 99.9 % complete" {
	require_redis
	complete 999 "$redis_server" --version
}
@test "H: two libraries take turns at the same addresses" {
	require_bpf
	profile twins 500
	holds '[.processes[0].stacks[] | select(.bytes == 500 * 410) | .frames[0].symbol] ==
		["plugin_a_leak"]'
	holds '[.processes[0].stacks[] | select(.bytes == 500 * 420) | .frames[0].symbol] ==
		["plugin_b_leak"]'
	holds '.losses.broken_stacks == 0'
}
@test "H: start code without unwind information, whatever its frame pointer holds" {
	require_bpf
	for n in "" one "one two three"; do
		# shellcheck disable=SC2086
		profile bare_start $n
		holds '[.processes[0].stacks[] | select(.bytes == 77) | .frames[0:2][].symbol] ==
			["allocate", "main"]'
		holds '.losses.broken_stacks == 0'
	done
}
@test "I: the program's file is deleted while it runs" {
	require_bpf
	cp "$PROGRAMS/malloc_one" "$BATS_TEST_TMPDIR/gone"
	profile sh -c "\"$BATS_TEST_TMPDIR/gone\"; rm \"$BATS_TEST_TMPDIR/gone\""
	holds '[.processes[].stacks[].frames[0].symbol] | index("func") != null'
}
# of_process N FILTER: of the report's process that stated its truth as the Nth.
of_process() {
	jq -sc ".[-1].processes[] | select(.pid == $(sed -n "$1p" "$expect" | jq .pid)) | $2" "$report"
}

# copied_over FIRST SECOND FUNCTION: both run under one name, the second one copied over the first. Of
# the one that is gone the report has no names; FUNCTION allocates in the other.
copied_over() {
	local n
	require_bpf
	require_program "$1"
	profile sh -c "cd '$BATS_TEST_TMPDIR'; cp '$PROGRAMS/$1' app; ./app; cp '$PROGRAMS/$2' app; ./app"
	[ "$status" = 0 ]
	for n in 1 2; do
		[ "$(of_process $n .allocs)" -ge "$(sed -n "${n}p" "$expect" | jq .allocs)" ]
	done
	[ "$(of_process 1 '[.stacks[].frames[] | select(.module | endswith("/app")).symbol] | unique')" = '[null]' ]
	[ "$(of_process 2 "[.stacks[].frames[0].symbol] | index(\"$3\") != null")" = true ]
}
@test "I: another program is copied over the program's file" {
	copied_over malloc_one family leak_valloc
	copied_over family_static new_delete_static "leak_new()"
}
@test "I: a program's file that is only touched keeps its names" {
	require_bpf
	cp "$PROGRAMS/pump" "$BATS_TEST_TMPDIR/pump"
	PROGRAMS=$BATS_TEST_TMPDIR start_pump
	start_tool -p "$target" -o 0 -i 3600
	ask_report
	tell "leak 5 100"
	touch "$BATS_TEST_TMPDIR/pump"
	tell "leak 7 1000"
	end_tool
	[ "$status" = 0 ]
	holds '[.processes[0].stacks[] | select(.frames[0].symbol == "pump_leak") | .blocks] | add == 12'
	tell "exit 0"
}
@test "I: a thread other than the first calls exec" {
	check exec_by_thread "$PROGRAMS/malloc_one"
	holds '.processes[0].exe | endswith("/malloc_one")'
}
@test "I: in a mount namespace of its own" {
	require_bpf
	require_command unshare
	unshare -m true || skip "mount namespaces are not allowed here"
	profile unshare -m sh -c "mount -t tmpfs none \"$BATS_TEST_TMPDIR\" &&
		cp \"$PROGRAMS/malloc_one\" \"$BATS_TEST_TMPDIR/inside\" && \"$BATS_TEST_TMPDIR/inside\""
	holds '[.processes[].stacks[] | select(.frames[0].symbol == "func") | .frames[0].module |
		endswith("/inside")] == [true]'
}
@test "J: node, through code made at run time" {
	require_command node
	complete 990 node -e 'for (let i = 0; i < 300; i++) Buffer.alloc(20000 + i); '
}
@test "J: code that is made at run time, in memory by a descriptor, stays the same file" {
	require_bpf
	[ "$(uname -m)" = x86_64 ] || skip "the code is x86-64's"
	TOOL=--leak-check=no profile jit
	[ "$status" = 0 ]
	# Each file that it were would make another stack.
	holds '[.processes[0].stacks[] | select(.family == "malloc").blocks] | add == 200 and length < 5'
}
@test "K: 64 threads allocate while others map and unmap" {
	complete 999 contended
}
@test "L: where the mappings of the code begin is changed all the time" {
	local stack
	require_program split_code
	TOOL='-o 0 --leak-check=no' complete 990 split_code 160000
	# What is not known is counted, and nothing is said that is wrong.
	run ! grep -v 'changing the address space' <(grep 'stacks broken: ' "$err")
	stack=$(jq -n -c '[range(5)] | map("hop5", "hop4", "hop3", "hop2", "hop1", "hop0")')
	holds "[.processes[0].stacks[] | select(.frames | any(.symbol == \"pthread_create\") | not)] |
		(map(.blocks) | add) == 160000 and
		all([.frames[].symbol][:30] as \$had | $stack[:\$had | length] == \$had)"
}
