# SPDX-License-Identifier: GPL-2.0-or-later
# Estimates by sampling, over 200 processes that all do the same.

bats_require_minimum_version 1.5.0
load helper

# unbiased PROGRAM rate|bytes VALUE OPTION...
unbiased() {
	local program=$1 mode=$2 value=$3
	shift 3
	require_bpf
	require_program "$program"
	"$MEMLEAK" -f json --output "$report" --top 1000 ${MEMLEAK_PRELOAD:+--preload} "$@" -- "$PROGRAMS/$program" 200 300 >"$out" 2>"$err" 3>&- 4>&-
	/usr/bin/env python3 "$BATS_TEST_DIRNAME/sampling.py" "$report" "$out" "$mode" "$value"
}

@test "one in four: no bias, and the spread that theory says" { unbiased sampled rate 4 -s 4; }
@test "by bytes: no bias, and the spread that theory says" {
	unbiased sampled bytes 250 --sample-bytes 250
}
@test "musl, by return probes that are always there" {
	unbiased sampled_musl rate 4 -s 4 --link=multi
}
@test "musl, by bytes" { unbiased sampled_musl bytes 250 --sample-bytes 250; }
@test "glibc, by return probes that are always there" { unbiased sampled rate 4 -s 4 --link=multi; }

# estimate: of how many blocks a run tells that has lost 20000, by operators.
estimate() {
	EXPECT='' TOOL="$*" profile operators 10000
	[ "$status" = 0 ]
	jq '.processes[0].outstanding.blocks' "$report"
}

@test "operators, whatever the link: each block is drawn for once" {
	local link blocks
	require_bpf
	require_program operators
	for link in session multi perf; do
		[ -s "$BATS_SUITE_TMPDIR/link-refused-$link" ] && continue
		blocks=$(estimate -s 4 "--link=$link")
		# One in four of them, 5 standard errors of sqrt(3 * 20000) to either side.
		echo "$link: $blocks"
		[ "$blocks" -gt 18775 ]
		[ "$blocks" -lt 21225 ]
		[ "$(estimate -z 1000 "--link=$link")" -lt 100 ]
	done
}

@test "an operator's call that is left out says nothing of the next one" {
	require_bpf
	require_program operator_notes
	EXPECT='' TOOL='-z 100 -o 0 --diagnose --leak-check=no' profile operator_notes
	[ "$status" = 0 ]
	holds '[.processes[].stacks[] | select(.frames[0].symbol | startswith("allocate")) | {blocks, family}] ==
		[{"blocks": 50, "family": "malloc"}]'
}

@test "by address are counted as many blocks as there are, whatever becomes of them" {
	local option order blocks
	require_bpf
	require_command bpftool
	for option in "-s 4" "-z 100"; do
		for order in "free 0" "free 500" "free 2000"; do
			start_pump
			# shellcheck disable=SC2086
			start_tool $option --max-blocks 4000 -v -p "$target" --follow -o 0 -i 3600 --leak-check=no
			ask_report
			tell "leak 1000 100" "churn 10000 100" "fork 1000 100" "leak 1000 50" "$order"
			ask_report
			blocks=$(blocks_of_tool)
			end_tool
			[ "$status" = 0 ]
			grep "^memleak-bpf: blocks followed: $blocks, in .* of 32768 slots" "$err"
			[ "$order" = "free 2000" ] || [ "$blocks" -gt 100 ]
			holds '.losses.frees == 0'
			tell "exit 0"
		done
		[ "$blocks" = 0 ]
	done
}
