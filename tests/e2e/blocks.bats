#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# --blocks-dir: a file for each live block of the heap, and for no other.

load helper

blocks=$BATS_TEST_TMPDIR/blocks
# The same addresses in every run.
SAME='setarch -R'

# Files as the report's blocks would have them.
expected_files() {
	jq -r '.processes[].stacks[] | select(.family != "mmap") | (.frames[0].pc // "0x0") as $pc |
		.allocs[] | "\(.addr).mem:[+] caller: \($pc), addr: \(.addr), size: \(.bytes)"' \
		"$report" | sort
}

files() {
	(cd "$blocks" && grep -H . -- *.mem 2>/dev/null | sort)
}

nr_files() {
	find "$blocks" -name '0x*.mem' | wc -l
}

has_files() {
	[ "$(nr_files)" = "$1" ]
}

@test "--blocks-dir holds the blocks of the report, with their callers" {
	require_bpf
	TOOL="-a --blocks-dir $blocks" profile service 1
	[ "$status" = 0 ]
	holds '.processes[0].outstanding.blocks > 50'
	[ "$(nr_files)" = "$(jq '.processes[0].outstanding.blocks' "$report")" ]
	diff <(expected_files) <(files)
	cat "$blocks"/*.mem | sed 's/.*caller: \(0x[0-9a-f]*\), .*/\1/' | sort -u | while read -r caller; do
		addr2line -f -e "$PROGRAMS/service" "$caller" | head -n 1
	done | sort -u >"$out"
	diff - "$out" <<-'END'
		cache_insert
		handle_request
		session_open
	END
}

@test "--blocks-dir follows a process between reports" {
	local mapped
	require_bpf
	start_pump
	start_tool -p "$target" -i 1000 --blocks-dir "$blocks"
	ask_report
	tell "leak 100 40" "map 8192"
	wait_until 10 has_files 100
	cat "$blocks"/*.mem | sort | uniq >"$out"
	[ "$(grep -cE '^\[\+\] caller: 0x[0-9a-f]+, addr: 0x[0-9a-f]+, size: 40$' "$out")" = 100 ]
	tell "free 70"
	wait_until 10 has_files 30
	tell "free 30" "leak 1 77"
	wait_until 10 has_files 1
	grep -q 'size: 77$' "$blocks"/*.mem
	tell "leak 4 1000"
	end_tool
	[ "$status" = 0 ]
	[ "$(nr_files)" = 5 ]
	[ "$(nr_reports)" = 2 ]
	unharmed "$target"
	tell "exit 0"
}

@test "--blocks-dir: what a process held when it ended stays beside those that go on" {
	require_bpf
	start_pump
	start_tool -p "$target" --follow -i 0.3 --blocks-dir "$blocks"
	ask_report
	tell "leak 3 40" "fork 5 60"
	wait_until 10 has_files 8
	ask_report
	ask_report
	[ "$(nr_files)" = 8 ]
	end_tool
	[ "$(cat "$blocks"/*.mem | grep -c 'size: 60$')" = 5 ]
	tell "exit 0"
}

@test "--blocks-dir takes nothing from the final report: verdicts, and what keeps the reachable" {
	require_bpf
	TOOL="--show-reachable-path --blocks-dir $blocks" profile leaks chain
	[ "$status" = 0 ]
	holds '[.processes[0].stacks[] | select(.verdict == "reachable").path.root.kind] | length > 0 and all(. == "global")'
}

@test "--blocks-dir: one address in two processes is one file with two lines" {
	local file
	require_bpf
	TOOL="-a --blocks-dir $blocks" profile same_address
	[ "$status" = 0 ]
	file=$(grep -l 'size: 1990$' "$blocks"/*.mem)
	[ "$(wc -l <"$file")" = 2 ]
	grep -q 'size: 2000$' "$file"
	diff <(expected_files) <(files)
}

@test "--blocks-dir replaces what an earlier run left, and nothing else" {
	local name
	require_bpf
	mkdir "$blocks"
	echo '[+] caller: 0x1, addr: 0x1000, size: 1' >"$blocks/0x1000.mem"
	echo '[+] caller: 0x1, addr: 0x1001, size: 1' >"$blocks/0x1002.mem"
	echo 'not a block' >"$blocks/0x1003.mem"
	echo '[+] caller: 0x1, addr: 0x1004, size: 1' >"$blocks/notes"
	echo '[+] caller: 0x1, addr: 0x1005, size: 1' >"$BATS_TEST_TMPDIR/other"
	ln -s "$BATS_TEST_TMPDIR/other" "$blocks/0x1005.mem"
	mkfifo "$blocks/0x1006.mem"
	mkdir "$blocks/0x1007.mem"
	TOOL="--blocks-dir $blocks" profile malloc_one
	[ "$status" = 0 ]
	[ ! -e "$blocks/0x1000.mem" ]
	for name in 0x1002.mem 0x1003.mem notes 0x1005.mem 0x1006.mem 0x1007.mem; do
		[ -e "$blocks/$name" ] || {
			echo "$name is gone"
			return 1
		}
	done
	[ "$(find "$blocks" | wc -l)" = 8 ]
}

@test "--blocks-dir: a link that waits under a block's name is not followed, and a file not overwritten" {
	local name
	require_bpf
	# shellcheck disable=SC2086
	TOOL="--blocks-dir $blocks" profile $SAME "$PROGRAMS/malloc_one"
	name=$(cd "$blocks" && echo 0x*.mem)
	rm -r "$blocks"
	mkdir "$blocks"
	echo precious >"$BATS_TEST_TMPDIR/precious"
	ln -s "$BATS_TEST_TMPDIR/precious" "$blocks/$name"
	# shellcheck disable=SC2086
	TOOL="--blocks-dir $blocks" profile $SAME "$PROGRAMS/malloc_one"
	[ "$status" = 0 ]
	grep -q "cannot make '$blocks/$name': File exists" "$err"
	grep -q "1 outstanding block has no file in '$blocks': File exists" "$err"
	[ "$(cat "$BATS_TEST_TMPDIR/precious")" = precious ]
	[ -L "$blocks/$name" ]
}

@test "--blocks-dir: where the disk is full, that is said and counted" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root to mount"
	mkdir "$blocks"
	unshare -m true 2>/dev/null || skip "cannot mount here"
	start_pump
	# shellcheck disable=SC2016
	unshare -m sh -c 'mount -t tmpfs -o nr_inodes=11 none "$1" || exit 99
		"$0" -i 1000 --blocks-dir "$1" --output "$3" -f json -p "$2"
		status=$?
		ls "$1" >"$4"
		exit $status' "$MEMLEAK" "$blocks" "$target" "$report" "$out" 2>"$err" 3>&- 4>&- &
	shell_pid=$!
	wait_until 10 has_child
	tool_pid=$(pgrep -P "$shell_pid" -x memleak-bpf)
	ask_report
	tell "leak 25 40"
	ask_report
	kill -INT "$tool_pid"
	wait_until 10 gone "$tool_pid"
	wait "$shell_pid"
	tell "exit 0"
	[ "$(wc -l <"$out")" = 10 ]
	grep -q "No space left on device; blocks without a file are counted" "$err"
	grep -q "15 outstanding blocks have no file in '$blocks': No space left on device" "$err"
}

has_child() {
	pgrep -P "$shell_pid" -x memleak-bpf
}

@test "--blocks-dir: what cannot be the folder is refused" {
	require_bpf
	start_pump
	refused 1 "cannot keep blocks in '/etc/passwd': Not a directory" \
		--blocks-dir /etc/passwd -p "$target"
	refused 1 "No such file or directory" --blocks-dir /nonexistent/blocks -p "$target"
	refused 2 "is empty" --blocks-dir '' -p "$target"
	start_tool -p "$target" --blocks-dir "$blocks"
	ask_report
	refused 1 "another memleak-bpf does" --blocks-dir "$blocks" -p "$target"
	end_tool
	[ "$status" = 0 ]
	tell "exit 0"
}
