#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# Many at once: processes that come and go, threads that are killed; and what remains in the tool.

load helper

# Images that the tool follows although their processes are gone, one a line.
stale() {
	of_tool processes | jq -r '.[].formatted.value | "\(.tgid) \(.image)"' |
		while read -r tgid image; do
			alive "$tgid" || echo "$image"
		done | sort
}

# Some go while they are listed: none may be listed twice.
none_stale() {
	cp "$BATS_TEST_TMPDIR/stale" "$BATS_TEST_TMPDIR/stale.before"
	stale >"$BATS_TEST_TMPDIR/stale" || return 1
	[ -z "$(comm -12 "$BATS_TEST_TMPDIR/stale.before" "$BATS_TEST_TMPDIR/stale")" ]
}

nothing_stale_is_left() {
	stale >"$BATS_TEST_TMPDIR/stale"
	wait_until 20 none_stale
	ask_report
	# Thousands have ended; looking takes some dozens of processes more.
	[ "$(of_tool ended | jq length)" -lt 500 ]
}

# KiB
memory_of_tool() {
	awk '/^VmRSS/ { print $2 }' "/proc/$tool_pid/status"
}

# What the tool's maps take in the kernel, KiB.
maps_of_tool() {
	cat "/proc/$tool_pid/fdinfo/"* 2>/dev/null |
		awk '$1 == "memlock:" { n += $2 } END { print int(n / 1024) }'
}

descriptors_of_tool() {
	find "/proc/$tool_pid/fd" | wc -l
}

# storm SECONDS COMMAND...: processes come and go, started by COMMAND; sets $n to how many.
storm() {
	local i=0 start=${EPOCHREALTIME/./} end how=(vfork fork vfork daemon)
	end=$((start + $1 * 1000000))
	shift
	: >"$expect"
	while [ "${EPOCHREALTIME/./}" -lt "$end" ]; do
		"$@" "$PROGRAMS/churn" 100 $((i % 90 + 10)) "${how[i % 4]}"
		i=$((i + 1))
	done
	n=$(wc -l <"$expect")
	echo "# $n processes, $((n * 1000000 / (${EPOCHREALTIME/./} - start))) a second" >&3
}

# Of so many processes some have had the same pid: what each says of itself is in the report as often
# as it was said.
all_are_right() {
	local which='[.pid, .comm, .allocs, .frees, .alloc_bytes, .outstanding.bytes, .mmap.blocks] | @csv'
	jq -r "select(.exact) | $which" "$expect" | sort | uniq -c | sort -k2 >"$expect.said"
	jq -sr ".[-1].processes[] | select(.comm == \"churn\") | $which" "$report" | sort | uniq -c |
		sort -k2 >"$expect.seen"
	[ "$(wc -l <"$expect.said")" -gt 100 ]
	# Join by what was said: its number, then how often it was seen.
	join -1 2 -2 2 -a 1 -e 0 -o 0,1.1,2.1 "$expect.said" "$expect.seen" |
		awk '$3 < $2 { print "said " $2 " times, seen " $3 ": " $1 }' >"$expect.missing"
	head -n 20 "$expect.missing"
	[ ! -s "$expect.missing" ]
}

# MEMLEAK_STORM_SECONDS: how long processes come and go. 60, with BATS_TEST_TIMEOUT=400, is the long form.
@test "-A: thousands of processes come and go" {
	local descriptors n
	require_bpf
	require_command bpftool
	TOP=1 start_tool -A -i 3600
	ask_report
	descriptors=$(descriptors_of_tool)
	storm "${MEMLEAK_STORM_SECONDS:-10}"
	nothing_stale_is_left
	[ "$(descriptors_of_tool)" -lt $((descriptors + 300)) ]
	PATIENCE=60 end_tool
	[ "$status" = 0 ]
	all_are_right
}

# The same where nobody else on the machine counts: the tool keeps of each process what the final
# report says of it, and the kernel nothing.
@test "--cgroup: thousands of processes come and go, and leave nothing" {
	local group memory maps n
	require_bpf
	make_cgroup
	TOP=1 start_tool --cgroup "$group" -i 3600
	ask_report
	storm 2 in_group
	ask_report
	memory=$(memory_of_tool)
	maps=$(maps_of_tool)
	storm "${MEMLEAK_STORM_SECONDS:-10}" in_group
	ask_report
	echo "# memory: $memory to $(memory_of_tool) KiB, maps: $maps to $(maps_of_tool) KiB" >&3
	[ "$(memory_of_tool)" -lt $((memory + n * 8 + 4096)) ]
	[ "$(maps_of_tool)" -lt $((maps + 256)) ]
	PATIENCE=60 end_tool
	[ "$status" = 0 ]
	all_are_right
	wait_until 10 empty_cgroup
}

# in_group COMMAND...: the shell moves itself, then becomes the command.
in_group() {
	# shellcheck disable=SC2016
	sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" "$@"
}

@test "-A: 64 threads allocate while others map and unmap" {
	local pid blocks
	require_bpf
	TOP=10 start_tool -A -i 3600
	ask_report
	"$PROGRAMS/contended"
	PATIENCE=60 end_tool
	[ "$status" = 0 ]
	jq -c '.losses' "$report"
	pid=$(jq .pid "$expect")
	blocks=$(jq .outstanding.blocks "$expect")
	# What is missing was counted.
	holds "([.processes[] | select(.pid == $pid).stacks[] |
		select(any(.frames[]; .symbol == \"deep\")).blocks] | add) as \$seen |
		\$seen <= $blocks and \$seen + .losses.blocks + .losses.stacks +
			.losses.broken_stacks >= $blocks"
	holds "[.processes[] | select(.pid == $pid).mmap.blocks] == [0]"
}

# The kernel does not say at once what is mapped while it is being changed, nor has anybody looked at a program that
# was started just now.
@test "--cgroup: stacks are whole where 64 threads allocate while others map and unmap" {
	local fds=() pids=() given=() group
	require_bpf
	make_cgroup
	# So that the C library is probed before.
	# shellcheck disable=SC2016
	start_nr 0 sh -c 'echo $$ >"$0/cgroup.procs"; exec "$1"' "$group" "$PROGRAMS/pump"
	TOP=10 start_tool -v --cgroup "$group" -i 3600
	ask_report
	in_group "$PROGRAMS/contended"
	ask_report # its tables are there now
	in_group "$PROGRAMS/contended"
	end_tool
	stop_all
	[ "$status" = 0 ]
	grep 'stacks' "$err"
	holds "[.processes[] | select(.pid == $(jq -s '.[1].pid' "$expect")).stacks[] | select(.frames |
		any(.symbol == \"deep\") and any(.symbol == \"start_thread\")).blocks] | add ==
		$(jq -s '.[1].outstanding.blocks' "$expect")"
	run ! grep "changing the address space" "$err"
	wait_until 10 empty_cgroup
}

# held_when_killed: the report has what the program says of the process that it killed; each of its
# threads may have been given one block more.
held_when_killed() {
	local pid held threads
	read -r pid held threads <"$answers"
	holds "[.processes[] | select(.pid == $pid)] | length == 1 and (.[0] | .running == false and
		.allocs - .frees == .outstanding.blocks)"
	# Each thread but the first has a block of its own besides, if it was made in time.
	holds ".losses.blocks as \$lost | .processes[] | select(.pid == $pid).outstanding.blocks |
		. <= $held + 2 * $threads and . + \$lost >= $held"
}

@test "a process is killed while all its threads allocate" {
	require_bpf
	"$MEMLEAK" -f json --output "$report" --leak-check no -- "$PROGRAMS/killed" 16 5000 \
		>"$answers" 2>"$err" </dev/null 3>&- 4>&-
	held_when_killed
	holds '[.losses[]] | add == 0'
}

@test "-A: a process is killed while all its threads allocate" {
	require_bpf
	TOP=10 start_tool -A -i 3600
	ask_report
	"$PROGRAMS/killed" 16 5000 >"$answers"
	PATIENCE=60 end_tool
	[ "$status" = 0 ]
	held_when_killed
}

@test "a storm of vforks" {
	require_bpf
	"$MEMLEAK" -f json --output "$report" --leak-check no -- "$PROGRAMS/churn" 500 77 vfork \
		>"$out" 2>"$err" </dev/null 3>&- 4>&-
	[ "$(wc -l <"$expect")" = 501 ]
	COMPARE="--outer=any" compare report "$report" "$expect"
}
