#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# The core programs again, with every kind of uprobe link this kernel has.

load helper

@test "session link" { require_bpf; require_link session; TOOL=--link=session check malloc_one; }
@test "multi link" { require_bpf; require_link multi; TOOL=--link=multi check malloc_one; }
@test "perf link" { require_bpf; require_link perf; TOOL=--link=perf check malloc_one; }

@test "every link: the malloc family" { check_links family; }
@test "every link: failing allocations" { check_links fail_alloc; }
@test "every link: a failing realloc" { check_links fail_realloc; }
@test "every link: a failing posix_memalign" { check_links fail_memalign; }
@test "every link: realloc" { check_links realloc_moves; }
@test "every link: big blocks" { check_links big; }
@test "every link: plugins" { check_links dlopened; }
@test "every link: threads" { COMPARE=--outer=any check_links threads; }
@test "every link: fork" { check_links forks; }
@test "every link: exec" { check_links execs; }
@test "every link: vfork and posix_spawn" { check_links spawns; }
@test "every link: mappings, cut" { check_links maps_cut; }
@test "every link: mappings, moved" { check_links maps_move; }
@test "every link: mappings, flags" { check_links maps_flags; }
@test "every link: recursion" { check_links deep; }
@test "every link: signal handlers" { check_links signals; }
@test "every link: longjmp" { check_links longjmps; }
@test "every link: SIGKILL" { STATUS=137 check_links ends kill; }
@test "every link: new and delete" { check_links new_delete; }
@test "every link: static" { check_links family_static; }
@test "every link: musl" {
	COMPARE="--outer=main --allow=broken_stacks" check_links family_musl
}
