#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# What the test programs say of themselves is what Valgrind says of them. The oracle of the other
# files is thereby tested by itself; neither the tool nor BPF is needed.
#
# Not here, since Valgrind counts otherwise or sees nothing: failed reallocs, pvalloc, static and musl
# programs, programs with a malloc of their own, processes that count from a fork on.

load helper

@test "nothing" { truth nothing; }
@test "an empty C++ program" { truth baseline_cxx; }
@test "malloc_one" { truth malloc_one; }
@test "malloc_one, no PIE" { truth malloc_one_nopie; }
@test "malloc_one, stripped" { truth malloc_one_stripped; }
@test "the malloc family" { truth family; }
@test "failing allocations" { truth fail_alloc; }
@test "failing posix_memalign" { truth fail_memalign; }
@test "realloc" { truth realloc_moves; }
@test "free(NULL)" { truth free_null; }
@test "big blocks" { truth big; }
@test "strings" { truth strings; }
@test "library constructor" { truth ctor; }
@test "dlopened plugins" { truth dlopened; }
@test "threads" { truth threads; }
@test "first malloc of a thread" { truth thread_first; }
@test "caches of ending threads" { truth thread_caches; }
@test "fork" { truth forks; }
@test "many forks" { truth fork_many; }
@test "exec of itself" { truth execs; }
@test "exec of another program" { truth execs "$PROGRAMS/malloc_one"; }
@test "vfork and posix_spawn" { truth spawns; }
@test "mappings, cut" { truth maps_cut; }
@test "mappings, moved" { truth maps_move; }
@test "recursion" { truth deep; }
@test "deep recursion" { truth deep200_fp; }
@test "signal handlers" { truth signals; }
@test "longjmp" { truth longjmps; }
@test "call sites" { truth call_sites; }
@test "inlined" { truth inlined; }
@test "sizes" { truth sizes; }
@test "many stacks" { truth many 2000 100; }
@test "exit" { truth ends exit; }
@test "_exit" { truth ends _exit; }
@test "abort" { truth ends abort; }
@test "SIGTERM" { truth ends term; }
@test "exit by another thread" { truth ends thread; }
@test "new and delete" { truth new_delete; }
@test "throwing constructors" { truth throws; }
@test "containers" { truth containers; }
@test "the service of the demonstration" { truth service 0.2; }
