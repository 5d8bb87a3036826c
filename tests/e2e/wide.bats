#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# Many processes: cgroups, containers, the whole machine.

load helper

# pump_in N CGROUP: the shell moves itself, then becomes the program.
pump_in() {
	# shellcheck disable=SC2016
	start_nr "$1" sh -c 'echo $$ >"$1/cgroup.procs"; exec "$2"' - "$2" "$PROGRAMS/pump"
}

outstanding_of() {
	holds "[.processes[] | select(.pid == $1).outstanding] == [{\"blocks\": $2, \"bytes\": $3}]"
}

@test "--cgroup: who is in it and below it, and nobody else" {
	local fds=() pids=() given=() group
	require_bpf
	make_cgroup
	pump_in 0 "$group"
	pump_in 1 "$group/inner"
	pump_in 2 "${group%/*}"
	start_tool --cgroup "$group" -i 3600
	ask_report
	pump_in 3 "$group/inner"
	for n in 0 1 2 3; do
		order "$n" "leak $((n + 1)) 100"
	done
	ask_report
	outstanding_of "${pids[0]}" 1 100
	outstanding_of "${pids[1]}" 2 200
	outstanding_of "${pids[3]}" 4 400
	holds "[.processes[].pid] | index(${pids[2]}) == null"
	# One that joins while it runs.
	echo "${pids[2]}" >"$group/inner/cgroup.procs"
	order 2 "leak 5 10"
	end_tool
	[ "$status" = 0 ]
	outstanding_of "${pids[2]}" 5 50
	for n in 0 1 2 3; do
		order "$n" "leak 1 1"
		unharmed "${pids[n]}"
	done
	stop_all
	wait_until 10 empty_cgroup
}

@test "--cgroup: what is none is refused" {
	refused 1 "no such directory" --cgroup /no/such/cgroup
	refused 1 "no cgroup of version 2" --cgroup /tmp
	refused 2 "two kinds of target" --cgroup /tmp -A
	refused 2 "empty" --cgroup ''
}

# A container: mount and PID namespaces of its own, with its own copy of libc.
@test "-A and -p see into a container with its own libc" {
	local root=$BATS_TEST_TMPDIR/root lib inside fd
	require_bpf
	unshare -mp --fork true 2>/dev/null || skip "no namespaces can be made here"
	mkdir -p "$root/lib64" "$root/lib" "$root/tmp"
	cp "$PROGRAMS/pump" "$root/pump"
	for lib in $(ldd "$PROGRAMS/pump" | grep -o '/[^ ]*'); do
		mkdir -p "$root/$(dirname "$lib")"
		cp -L "$lib" "$root/$lib"
	done
	open_pump
	# The pump forks a child for "fork" and is pid 1 inside.
	env -u EXPECT unshare -mp --fork chroot "$root" /pump <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	tell "leak 0 0"
	wait_until 10 find_inside $!
	TOP=10 start_tool -A -o 0 -i 3600
	ask_report
	tell "leak 7 1000" "free 2"
	ask_report
	outstanding_of "$inside" 5 5000
	holds "[.processes[] | select(.pid == $inside).stacks[].frames[0].symbol] == [\"pump_leak\"]"
	end_tool
	[ "$status" = 0 ]
	start_tool -p "$inside"
	ask_report
	tell "leak 3 10"
	end_tool
	[ "$status" = 0 ]
	outstanding_of "$inside" 3 30
	unharmed "$inside"
	kill -KILL "$inside"
	wait_until 10 gone "$inside"
}

find_inside() {
	inside=$(cat "/proc/$1/task/$1/children" 2>/dev/null)
	inside=${inside%% *}
	[ -n "$inside" ] && [ "$(cat "/proc/$inside/comm")" = pump ]
}

@test "-A says how many calls it traces, once, where they are many" {
	require_bpf
	start_pump
	TOP=10 start_tool -A -i 3600
	ask_report
	tell "churn 50000 100"
	ask_report
	tell "churn 50000 100"
	end_tool
	[ "$status" = 0 ]
	grep -qE '[0-9]{5,} calls a second are traced' "$err"
	[ "$(grep -c 'calls a second' "$err")" = 1 ]
	# The tool itself is in no report.
	jq -se "[.[].processes[].pid] | index($tool_pid) == null" "$report"
	tell "exit 0"
}
