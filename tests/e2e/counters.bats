#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# The counters in front of the table of blocks, where a part of the allocations is followed: none
# may be too low, which would hide a free, and none may stay.

load helper

# Everything is followed, but the tool does not know.
ALL=--max-size=$((2 ** 63 - 1))

# counted BLOCKS: what they say at the end, of how many blocks.
counted() {
	grep -q "blocks followed: $1, in " "$err" || {
		echo "expected $1 blocks:"
		cat "$err"
		return 1
	}
}

# ends_at_none OPTION... -- COMMAND...: none is left, and the kernel side refused nothing.
ends_at_none() {
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	require_program "$1"
	echo "${options[*]} -- $*:"
	TOOL="-v ${options[*]}" profile "$@"
	counted 0
}

@test "all ended: none is left, whatever came in between" {
	local mode
	require_bpf
	for mode in --sample-rate=2 --sample-bytes=64 --min-size=64 "$ALL"; do
		ends_at_none "$mode" -- pairs 20000 4
		ends_at_none "$mode" -- realloc_moves
		ends_at_none "$mode" -- fail_realloc
		ends_at_none "$mode" -- fork_many
		ends_at_none "$mode" -- execs
		ends_at_none "$mode" -- spawns
		ends_at_none "$mode" -- ends kill
	done
}

@test "a table that is full, families and resources leave none" {
	require_bpf
	ends_at_none "$ALL" --max-blocks=10 -- pairs 20000 4
	[ "$(jq '.losses.blocks' "$report")" -gt 0 ]
	ends_at_none "$ALL" --alloc-fn pool_create --free-fn pool_destroy \
		--alloc-fn "pool_get:size=ARG1*ARG3" --free-fn pool_put:ptr=ARG2 -- pools
	ends_at_none "$ALL" --resource files,dirs,dl,locks -- resources
}

@test "pairs by threads: no free is missed" {
	require_bpf
	TOOL="-v $ALL" profile pairs 100000 4
	[ "$status" = 0 ]
	holds "(.processes | map(.outstanding.blocks) | add) >= $(jq .kept "$out")"
	holds '.losses | add == 0'
	counted 0
}

@test "while a process runs they count what it holds" {
	require_bpf
	start_pump
	start_tool -v -p "$target" --min-size 40
	ask_report
	tell "leak 100 40" "leak 1000 24"
	ask_report
	holds '.processes[0].outstanding.blocks == 100'
	tell "free 1030"
	ask_report
	holds '.processes[0].outstanding.blocks == 70'
	tell "leak 5 100" "fork 7 100"
	end_tool
	tell "exit 0"
	[ "$status" = 0 ]
	counted 75
}
