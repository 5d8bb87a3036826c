#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# What was outstanding over time, and the pages that plot it. How they look: tests/browser.

load helper

# page_data FILE.html: the data of a page, as $report.
page_data() {
	report=$BATS_TEST_TMPDIR/data.json
	sed -n 's|^<script type="application/json" id="data">\(.*\)</script>$|\1|p' "$1" >"$report"
}

# Points of a history are [seconds, bytes, seconds, bytes, ...].
rising='def points: [.[3] | range(0; length; 2) as $i | {at: .[$i], bytes: .[$i + 1]}];
	def rises: [points[].at] | . == (sort | unique);
	def whole: .histories[] | select(.[1] < 0);'

@test "a history has a point for each report, and ends with what is outstanding" {
	require_bpf
	start_pump
	dir=$BATS_TEST_TMPDIR
	start_tool -p "$target" -i 3600 -o 3600000 -w "$dir/x.html" -w "$dir/x.pb.gz"
	ask_report
	for n in 1 2 3; do
		tell "leak 2 1000"
		tell "leak 1 5000"
		ask_report
	done
	tell "leak 1 50"
	end_tool
	tell "exit 0"
	page_data "$dir/x.html"
	holds "$rising"'[whole] | length == 1 and all(rises)'
	holds "$rising"'[whole | points[].bytes] == [0, 7000, 14000, 21000, 21050]'
	holds "$rising"'[.histories[] | select(.[1] >= 0) | [points[].bytes]] ==
		[[5000, 10000, 15000, 15000], [2000, 4000, 6000, 6050]] or
		([.histories[] | select(.[1] >= 0) | [points[].bytes]] | map(last) | add == 21050)'
	"$MEMLEAK" report -w "$dir/again.html" "$dir/x.pb.gz" >/dev/null
	cmp "$dir/x.html" "$dir/again.html"
}

@test "SIGUSR1 writes the history so far, and leaves no second point" {
	require_bpf
	start_pump
	dir=$BATS_TEST_TMPDIR
	start_tool -p "$target" -i 3600 -w "$dir/now.html"
	ask_report
	tell "leak 1 100"
	ask_report
	page_data "$dir/now.html"
	holds "$rising"'[whole | points[].bytes] == [0, 100]'
	end_tool
	tell "exit 0"
	page_data "$dir/now.html"
	holds "$rising"'[whole | points[].bytes] == [0, 100, 100] and ([whole] | all(rises))'
}

@test "histories of processes that end, and of many reports" {
	require_bpf
	dir=$BATS_TEST_TMPDIR
	mkfifo "$dir/go"
	# A report every five milliseconds: in the end more than a history holds.
	start_tool -q --leak-check no -i 0.005 -w "$dir/x.html" -- \
		/bin/sh -c "$PROGRAMS/family; read x <'$dir/go'; $PROGRAMS/family; true"
	wait_until 60 has_reports 300
	echo >"$dir/go"
	wait_for_tool
	[ "$status" = 0 ]
	page_data "$dir/x.html"
	holds "$rising"'[whole] | length == 3 and all(rises)'
	holds "$rising"'[whole | points | length] | max <= 200 and max >= 100'
	# shellcheck disable=SC2016 # jq's variables
	holds "$rising"'. as $all | [whole | [.[0], (points | last.bytes)]] |
		all($all.processes[.[0]].outstanding.bytes == .[1])'
}

@test "a page of a difference" {
	require_bpf
	start_pump
	dir=$BATS_TEST_TMPDIR
	start_tool -p "$target" -i 3600 -w "$dir/x.pb.gz"
	ask_report
	tell "leak 3 100"
	ask_report
	cp "$dir/x.pb.gz" "$dir/base.pb.gz"
	tell "leak 2 100"
	end_tool
	tell "exit 0"
	"$MEMLEAK" diff -w "$dir/d.html" -w "$dir/d.svg" "$dir/x.pb.gz" "$dir/base.pb.gz" >"$out"
	page_data "$dir/d.html"
	holds '.report.diff and (.stacks | length == 1) and .stacks[0][6:8] == [-2, -200] and .histories == []'
	grep -q -- '-200 B in -2 blocks' "$dir/d.svg"
}
