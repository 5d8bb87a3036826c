#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# The final report of every test program is what the program says of itself.
#
# A row: check PROGRAM [ARG...]. TOOL: options of the tool; COMPARE: options of compare.py; STATUS: the
# program's exit status; VALGRIND=no: totals only as far as the program knows them. `holds` adds what
# only this program is about, as a jq expression on the report.

load helper

@test "nothing allocated" { check nothing; }
@test "one block lost" { check malloc_one; }
@test "an empty C++ program" { check baseline_cxx; }
@test "the malloc family" { check family; }
@test "pvalloc counts the size asked for" { check pvalloc; }
@test "failing allocations count nothing" { check fail_alloc; }
@test "a failing realloc keeps the old block" { check fail_realloc; }
@test "a failing posix_memalign counts nothing" { check fail_memalign; }
@test "realloc of nothing, growing, moving, shrinking, to nothing" { check realloc_moves; }
@test "free(NULL)" { check free_null; }
@test "big blocks are heap, not mappings" { check big; }
@test "strdup, getline, asprintf are charged to their caller" { check strings; }
@test "allocations of a library's constructor" { COMPARE=--outer=any check ctor; }
@test "plugins that are gone keep their names" { check dlopened; }
@test "sizes" { check sizes; }

@test "eight threads, frees by other threads" { COMPARE=--outer=any check threads; }
@test "the first malloc of a thread that ends" { COMPARE=--outer=any check thread_first; }
@test "caches of ending threads are no frees" { COMPARE=--outer=any check thread_caches; }

@test "fork: a child's frees are its own" { STATUS=0 check forks; }
@test "fork: children of children" { check fork_many; }
@test "fork: the same address in two processes" { check same_address; }
@test "exec of itself begins afresh" { check execs; }
@test "exec of another program begins afresh" {
	check execs "$PROGRAMS/malloc_one"
	holds '.processes[0].exe | endswith("/malloc_one")'
}
@test "vfork and posix_spawn leave the parent's numbers alone" { check spawns; }

@test "mappings: munmap of parts and over several" { check maps_cut; }
@test "mappings: mremap and MAP_FIXED" { check maps_move; }
@test "mappings: what flags mean, files, odd sizes, brk" { check maps_flags; }

@test "60 calls deep, no frame pointers" {
	check deep
	holds '.processes[0].stacks[0].frames | map(select(.symbol == "down")) | length == 60'
}
@test "60 calls deep, frame pointers" {
	check deep_fp
	holds '.processes[0].stacks[0].frames | map(select(.symbol == "down")) | length == 60'
}
@test "200 calls deep: cut at 127, and said so" {
	COMPARE="--outer=any --allow=truncated_stacks" check deep200
	holds '.losses.truncated_stacks == 1 and (.processes[0].stacks[0].frames | length) == 127'
}
@test "200 calls deep, --stack-depth=256" {
	TOOL=--stack-depth=256 check deep200
	holds '.processes[0].stacks[0].frames | map(select(.symbol == "down")) | length == 200'
}
@test "200 calls deep, --stack-depth=256, frame pointers" {
	TOOL=--stack-depth=256 check deep200_fp
	holds '.processes[0].stacks[0].frames | map(select(.symbol == "down")) | length == 200'
}
@test "60 calls deep, --stack-depth=20" {
	TOOL=--stack-depth=20 COMPARE="--outer=any --allow=truncated_stacks" check deep
	holds '.losses.truncated_stacks == 1 and (.processes[0].stacks[0].frames | length) == 20'
}
@test "signal handlers, on both kinds of stack" {
	check signals
	holds '[.processes[0].stacks[] | select(.frames | map(.symbol) | contains(["leak_in_handler",
		"interrupted", "main"])) | .frames | map(.pc)] | unique | length == 2'
}
@test "longjmp over frames that allocated" { check longjmps; }
@test "two call sites are two stacks; a wrapper is the caller" {
	check call_sites
	holds '[.processes[0].stacks[] | select(.frames[0].symbol == "leak_twice") |
		.frames[0].pc] | unique | length == 2'
	holds '[.processes[0].stacks[] | select(.frames[0].symbol == "xmalloc") |
		.frames[1].symbol] | sort == ["user_a", "user_b"]'
}
@test "a source line for every frame of the program" {
	check call_sites
	holds '[.processes[0].stacks[].frames[] | select(.symbol == "user_a")][0] |
		(.file | endswith("/call_sites.c")) and .line > 0 and .inlined == false'
	holds '[.processes[0].stacks[].frames[] | select(.symbol == "main")][0].build_id |
		test("^[0-9a-f]{16,}$")'
}
@test "pc is what addr2line takes" {
	check malloc_one
	pc=$(jq -sr '.[-1].processes[0].stacks[0].frames[0].pc' "$report")
	[ "$(addr2line -f -e "$PROGRAMS/malloc_one" "$pc" | head -n 1)" = func ]
	holds '.processes[0].stacks[0].frames[0] | .module | endswith("/malloc_one")'
}
@test "an inlined function keeps its name" {
	check inlined
	holds '.processes[0].stacks[0].frames[:2] | map([.symbol, .inlined]) ==
		[["leak_inlined", true], ["holder", false]]'
}

@test "exit" { STATUS=3 check ends exit; }
@test "_exit" { STATUS=4 check ends _exit; }
@test "abort" { STATUS=134 check ends abort; }
@test "SIGSEGV" { STATUS=139 check ends segv; }
@test "SIGKILL" { STATUS=137 check ends kill; }
@test "SIGTERM" { STATUS=143 check ends term; }
@test "exit by another thread after main's end" {
	STATUS=5 COMPARE=--outer=any check ends thread
}

@test "new and delete of every kind" { check new_delete; }
@test "throwing constructors" { check throws; }
@test "operator new that throws" { VALGRIND=no check bad_alloc; }
@test "containers" { check containers; }

@test "no PIE" { check malloc_one_nopie; }
@test "stripped" {
	COMPARE="--stripped $PROGRAMS/malloc_one --function func" check malloc_one_stripped
}
@test "static" { check family_static; }
@test "static PIE" { check family_static_pie; }
@test "static, threads" { VALGRIND=no COMPARE=--outer=any check threads_static; }
@test "static, recursion" { check deep_static; }
@test "static, C++" { check new_delete_static; }
# main was called by musl, which has no unwind tables: there the walk ends.
@test "musl" { COMPARE="--outer=main --allow=broken_stacks" check malloc_one_musl; }
@test "musl, the malloc family" { COMPARE="--outer=main --allow=broken_stacks" check family_musl; }
@test "musl, threads" { COMPARE="--outer=any --allow=broken_stacks" check threads_musl; }
@test "musl, static" { COMPARE="--outer=main --allow=broken_stacks" check family_musl_static; }
@test "musl, static, fork" { COMPARE="--outer=main --allow=broken_stacks" check forks_musl_static; }

@test "a preloaded allocator" { check env LD_PRELOAD="$PROGRAMS/libbump.so" "$PROGRAMS/family"; }
@test "a preloaded allocator that hands on: one block is one block" {
	check env LD_PRELOAD="$PROGRAMS/libpass.so" "$PROGRAMS/family"
}
@test "a program with a malloc of its own, left by longjmp" { check own_malloc; }

@test "the service of the demonstration" { check service 0.2; }
