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
