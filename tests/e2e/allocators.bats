#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# Allocators other than libc's: preloaded, linked as a library, linked statically, of the program
# itself, several in one process; languages that bring their own.

load helper

# library NAME: the shared library that the linker would take.
library() {
	local path
	path=$(cc -print-file-name="lib$1.so")
	case $path in
	*/*) readlink -f "$path" ;;
	*) skip "lib$1 is not installed" ;;
	esac
}

# preloaded NAME BASELINE PROGRAM...: what the allocator itself takes is what BASELINE shows.
preloaded() {
	local lib baseline=$2
	require_bpf
	lib=$(library "$1") || skip "lib$1 is not installed"
	shift 2
	RUNTIME=$(under_tool env LD_PRELOAD="$lib" "$PROGRAMS/$baseline") \
		check env LD_PRELOAD="$lib" "$PROGRAMS/$1" "${@:2}"
}

# linked BASELINE PROGRAM...: the same for one that is linked in.
linked() {
	local baseline=$1
	require_bpf
	shift
	require_program "$1"
	RUNTIME=$(under_tool "$baseline") check "$@"
}

@test "jemalloc, preloaded: the malloc family" { preloaded jemalloc nothing family; }
@test "jemalloc, preloaded: realloc" { preloaded jemalloc nothing realloc_moves; }
@test "jemalloc, preloaded: threads" { COMPARE=--outer=any preloaded jemalloc nothing threads; }
@test "jemalloc, preloaded: new and delete" {
	COMPARE=--one-new preloaded jemalloc baseline_cxx new_delete
}
@test "tcmalloc, preloaded: the malloc family" { preloaded tcmalloc_minimal nothing family; }
@test "tcmalloc, preloaded: realloc" { preloaded tcmalloc_minimal nothing realloc_moves; }
@test "tcmalloc, preloaded: threads" {
	COMPARE=--outer=any preloaded tcmalloc_minimal nothing threads
}
@test "tcmalloc, preloaded: new and delete" {
	COMPARE=--one-new preloaded tcmalloc_minimal baseline_cxx new_delete
}
@test "mimalloc, preloaded: the malloc family" { preloaded mimalloc nothing family; }
@test "mimalloc, preloaded: realloc" { preloaded mimalloc nothing realloc_moves; }
@test "mimalloc, preloaded: threads" { COMPARE=--outer=any preloaded mimalloc nothing threads; }
@test "mimalloc, preloaded: new and delete" {
	COMPARE=--one-new preloaded mimalloc baseline_cxx new_delete
}

@test "jemalloc's own functions" {
	require_program jemalloc_api
	preloaded jemalloc nothing jemalloc_api
}
@test "tcmalloc's own functions" {
	require_program tcmalloc_api
	preloaded tcmalloc_minimal baseline_cxx tcmalloc_api
}
@test "mimalloc's own functions" {
	require_program mimalloc_api
	preloaded mimalloc nothing mimalloc_api
}

@test "jemalloc, linked in: the malloc family" { linked nothing family_jemalloc; }
@test "jemalloc, static program: the malloc family" {
	linked nothing_static family_jemalloc_static
}
@test "jemalloc, linked in: new and delete" {
	COMPARE=--one-new linked baseline_cxx new_delete_jemalloc
}
@test "tcmalloc, linked in: new and delete" {
	COMPARE=--one-new linked baseline_cxx_tcmalloc new_delete_tcmalloc
}
@test "tcmalloc, static program: new and delete" {
	COMPARE=--one-new linked baseline_cxx_tcmalloc_static new_delete_tcmalloc_static
}
@test "two allocators in one process" { check several; }

# What is thrown out of operator new is caught by the program as if nobody watched.
@test "jemalloc: operator new that throws" {
	VALGRIND=no COMPARE=--one-new preloaded jemalloc baseline_cxx bad_alloc
}
@test "tcmalloc: operator new that throws" {
	VALGRIND=no COMPARE=--one-new preloaded tcmalloc_minimal baseline_cxx bad_alloc
}
@test "mimalloc: operator new that throws" {
	local lib status=0
	lib=$(library mimalloc) || skip "libmimalloc is not installed"
	# Built as C it throws nothing, but aborts.
	LD_PRELOAD=$lib EXPECT='' "$PROGRAMS/bad_alloc" 2>/dev/null || status=$?
	[ "$status" = 0 ] || skip "this build of mimalloc ends the program where it should throw"
	VALGRIND=no COMPARE=--one-new preloaded mimalloc baseline_cxx bad_alloc
}
@test "jemalloc, linked in: operator new that throws" {
	VALGRIND=no COMPARE=--one-new linked baseline_cxx bad_alloc_jemalloc
}
@test "tcmalloc, linked in: operator new that throws" {
	VALGRIND=no COMPARE=--one-new linked baseline_cxx_tcmalloc bad_alloc_tcmalloc
}
@test "jemalloc: memory runs out between small blocks" {
	VALGRIND=no COMPARE=--one-new preloaded jemalloc baseline_cxx oom_new
}
@test "tcmalloc: memory runs out between small blocks" {
	VALGRIND=no COMPARE=--one-new preloaded tcmalloc_minimal baseline_cxx oom_new
}
@test "libc: memory runs out between small blocks" { VALGRIND=no check oom_new; }
@test "a program's own operator new that throws, every link" {
	local link
	require_bpf
	for link in session multi perf; do
		[ -s "$BATS_SUITE_TMPDIR/link-refused-$link" ] && continue
		TOOL=--link=$link VALGRIND=no check own_new
		# The last blocks after the last exception are seen as well as the first.
		holds '[.processes[0].stacks[] | select(.family == "new").bytes] | sort == [10, 11, 10000]'
	done
}

@test "Rust: one block is one block" {
	require_bpf
	require_program leak_rust
	profile leak_rust
	[ "$status" = 0 ]
	compare sane "$report"
	holds '[.processes[0].stacks[] | select(any(.frames[]; .symbol | test("leak_boxes")?))] |
		[(map(.blocks, .bytes) | add), (map(.family) | unique)] == [10010, ["malloc"]]'
	holds '[.processes[0].stacks[] | select(any(.frames[]; .symbol | test("leak_vector")?)) |
		[.blocks, .bytes]] == [[1, 5001]]'
	holds '[.processes[0].stacks[] | select(any(.frames[]; .symbol | test("drop_boxes")?))] == []'
}

@test "Go with C in it: what C allocates, and a line that says so" {
	require_bpf
	require_program leak_cgo
	profile leak_cgo
	[ "$status" = 0 ]
	[ "$(wc -l <"$err")" = 1 ]
	grep -q "leak_cgo is a Go program: what its C code allocates is seen, what Go does is not" "$err"
	holds '[.processes[0].stacks[] | select(.frames[0].symbol == "leak_in_c") |
		select(.family == "malloc")] | [(map(.blocks) | add), (map(.bytes) | add)] == [10, 1000]'
}

@test "Go is refused, in one line" {
	require_bpf
	require_program leak_go
	refused 1 "leak_go is a Go program" -- "$PROGRAMS/leak_go"
	strip -o "$BATS_TEST_TMPDIR/go_stripped" "$PROGRAMS/leak_go"
	refused 1 "go_stripped is a Go program" -- "$BATS_TEST_TMPDIR/go_stripped"
}
