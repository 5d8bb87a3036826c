#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031,SC2016 # set by helper.bash; a test is a subshell
# Functions that the user defines: --alloc-fn, --free-fn, --resource.

load helper

# of_family NAME: [blocks, bytes] that it holds, as jq.
of_family='def of_family($name): [.processes[0].stacks[] | select(.family == $name)] |
	[(map(.blocks) | add), (map(.bytes) | add)];'

# held_by EXPRESSION: jq's, on the last report, with of_family.
held_by() {
	holds "$of_family $1"
}

# Heap sums are those of all stacks but mappings and resources.
sums_hold() {
	held_by '.processes[0] as $p | [$p.stacks[] | select(.family | IN("mmap", "files", "locks",
		"dirs", "dl") | not)] | [(map(.blocks) | add), (map(.bytes) | add)] ==
		[$p.outstanding.blocks, $p.outstanding.bytes]'
}

pool_options=(--alloc-fn pool_create --free-fn pool_destroy
	--alloc-fn 'pool_get:size=ARG1*ARG3' --free-fn pool_put:ptr=ARG2
	--alloc-fn 'pool_out:size=ARG2:ptr=*ARG1' --free-fn pool_in
	--alloc-fn pool_throwing:size=ARG1:family=throwing --free-fn pool_in:family=throwing
	--alloc-fn slot_take:size=ARG1:fail=-1 --free-fn slot_drop)

@test "pools, out-parameters, products, exceptions: every link" {
	local link
	require_bpf
	for link in session multi perf; do
		[ -s "$BATS_SUITE_TMPDIR/link-refused-$link" ] && continue
		TOOL="--link=$link ${pool_options[*]}" profile pools
		[ "$status" = 0 ]
		[ ! -s "$err" ]
		# A pool is as large as what was allocated while it was made.
		held_by 'of_family("pool_create") == [1, 1024]'
		held_by 'of_family("pool_get") == [2, 600]'
		held_by 'of_family("pool_out") == [1, 50]'
		held_by 'of_family("throwing") == [3, 180]'
		held_by 'of_family("slot_take") == [1, 5]'
		# Allocations behind the last exception are nobody's part.
		held_by '[.processes[0].stacks[] | select(.frames[0].symbol == "leak_after()") |
			[.family, .bytes]] == [["malloc", 33]]'
		sums_hold
		held_by '.losses | add == 0'
	done
}

@test "nothrow: a return probe" {
	require_bpf
	TOOL="--alloc-fn pool_get:size=ARG1*ARG3:nothrow --free-fn pool_put:ptr=ARG2" profile pools
	[ "$status" = 0 ]
	held_by 'of_family("pool_get") == [2, 600]'
	sums_hold
}

@test "files, directories, libraries and locks" {
	require_bpf
	TOOL="--resource files,dirs,dl,locks" profile resources
	[ "$status" = 0 ]
	[ ! -s "$err" ]
	held_by '[.processes[0].stacks[] | select(.family == "files")] | group_by(.frames[0].symbol) |
		map([.[0].frames[0].symbol, (map(.blocks) | add)]) ==
		[["leak_fdopen", 1], ["leak_fopen", 2], ["leak_open", 3]]'
	held_by 'of_family("dirs") == [2, 0]'
	held_by 'of_family("dl") == [1, 0]'
	held_by 'of_family("locks") == [2, 0]'
	held_by '.processes[0].resources == 11'
	sums_hold
	# The same heap as without: streams have their buffers, which are no part of them.
	held=$(jq -sc '.[-1].processes[0] | [.allocs, .frees, .outstanding]' "$report")
	profile resources
	holds ".processes[0] | [.allocs, .frees, .outstanding] == $held"
	holds '.processes[0] | has("resources") | not'
}

@test "resources in the text report" {
	require_bpf
	"$MEMLEAK" --resource dirs --no-follow -T 100 -- "$PROGRAMS/resources" >"$out" 2>"$err" </dev/null
	grep -q 'held: 2 resources' "$out"
	grep -qE '0 B in 1 resource.*dirs' "$out"
	! grep -q 'files' "$out"
}

@test "trace lines name the family" {
	require_bpf
	"$MEMLEAK" -t --resource dl -- "$PROGRAMS/resources" >"$out" 2>"$err" </dev/null
	grep -qE 'alloc.* dl( |$)' "$out"
}

@test "worked example: pools of APR" {
	require_bpf
	require_program worked_apr
	TOOL="--alloc-fn apr_pool_create_ex:ptr=*ARG1 --free-fn apr_pool_destroy" profile worked_apr
	[ "$status" = 0 ]
	holds '[.processes[0].stacks[] | select(any(.frames[]; .symbol == "leak_pool")) |
		[.family, .blocks, .frames[0].symbol]] == [["apr_pool_create_ex", 1, "leak_pool"]]'
	sums_hold
}

@test "worked example: slices of GLib" {
	require_bpf
	require_program worked_glib
	TOOL="--leak-check no --alloc-fn g_slice_alloc:size=ARG1 --free-fn g_slice_free1:ptr=ARG2" \
		profile worked_glib
	[ "$status" = 0 ]
	holds '[.processes[0].stacks[] | select(any(.frames[]; .symbol == "leak_slices")) |
		[.family, .blocks, .bytes]] == [["g_slice_alloc", 5, 200]]'
	sums_hold
}

@test "worked example: SQLite's allocator" {
	local nothrow=:nothrow
	require_bpf
	require_program worked_sqlite
	TOOL="--alloc-fn sqlite3_malloc:size=ARG1$nothrow --alloc-fn sqlite3_malloc64:size=ARG1$nothrow
		--alloc-fn sqlite3_realloc:size=ARG2:old=ARG1$nothrow --free-fn sqlite3_free" \
		profile worked_sqlite
	[ "$status" = 0 ]
	# sqlite3_realloc is the last call of its function, which leaves its frame to it.
	held_by 'of_family("sqlite3_malloc") == [2, 5101]'
	sums_hold
}

@test "-p: what was acquired and released while the tool looked on" {
	require_bpf
	open_pump
	start_pump
	start_tool -p "$target" --alloc-fn pump_leak:size=ARG2:ptr=ARG1:fail=-1 --free-fn pump_free
	ask_report
	tell mark "leak 3 1000" "leak 4 50" "free 3"
	end_tool
	[ "$status" = 0 ]
	# pump_leak(n, bytes) is one block with n for its address, whatever it allocates.
	held_by '[.processes[0].stacks[] | [.family, .blocks, .bytes]] == [["pump_leak", 1, 50]]'
	unharmed "$target"
	tell "exit 0"
}

@test "a family that is nowhere is said" {
	require_bpf
	TOOL="--alloc-fn no_such_function --free-fn no_such_end" profile nothing
	[ "$status" = 0 ]
	grep -q "no function of the family 'no_such_function' was found" "$err"
}

@test "malformed pairs are wrong usage" {
	local args words
	while IFS='|' read -r args words; do
		eval "set -- $args"
		refused 2 "$words" "$@" -p 1
	done <<-'ROWS'
		--alloc-fn ''|function
		--alloc-fn f:size=ARG6 --free-fn g|size
		--alloc-fn f:size=ARG1*8 --free-fn g|size
		--alloc-fn f:ptr=ARG0 --free-fn g|ptr
		--alloc-fn f:fail=2 --free-fn g|fail
		--alloc-fn f:colour=red --free-fn g|part
		--alloc-fn f:resource:nothrow --free-fn g|nothrow
		--alloc-fn f:resource --alloc-fn g --free-fn h|resource
		--alloc-fn f:family=mmap --free-fn g|family
		--alloc-fn malloc --free-fn free|family
		--alloc-fn f --free-fn 'g:ptr=*ARG1'|ptr
		--alloc-fn f --free-fn g:size=ARG1|part
		--alloc-fn f|no --free-fn
		--free-fn g|before any
		--resource pipes|pipes
		--resource files,|files
	ROWS
}
