#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# Many processes: cgroups, containers, the whole machine; and processes that come and go.

load helper

# Finds or mounts cgroup v2 and makes a group in it: $group, with a group below it: $group/inner.
make_cgroup() {
	local mounted
	mounted=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[ -n "$mounted" ] || skip "no cgroup v2 is mounted"
	group=$mounted/memleak-bpf-test-$$-$BATS_TEST_NUMBER
	mkdir -p "$group/inner" 2>/dev/null || skip "no cgroup can be made in $mounted"
}

empty_cgroup() {
	rmdir "$group/inner" "$group" 2>/dev/null
}

pump_in() {
	local n=$1 where=$2
	mkfifo "$BATS_TEST_TMPDIR/orders$n"
	: >"$BATS_TEST_TMPDIR/answers$n"
	exec {fd}<>"$BATS_TEST_TMPDIR/orders$n"
	fds[n]=$fd
	# The shell moves itself, then becomes the program.
	sh -c 'echo $$ >"$1/cgroup.procs"; exec "$2"' - "$where" "$PROGRAMS/pump" <&"$fd" \
		>"$BATS_TEST_TMPDIR/answers$n" 2>&1 3>&- 4>&- &
	pids[n]=$!
	given[n]=0
	order "$n" "leak 0 0"
}

answered_by() {
	[ "$(wc -l <"$BATS_TEST_TMPDIR/answers$1")" -ge "${given[$1]}" ]
}

# order N ORDER...: waits until they are carried out.
order() {
	local n=$1
	shift
	printf '%s\n' "$@" >&"${fds[n]}"
	given[n]=$((given[n] + $#))
	wait_until 30 answered_by "$n"
}

outstanding_of() {
	holds "[.processes[] | select(.pid == $1).outstanding] == [{\"blocks\": $2, \"bytes\": $3}]"
}

@test "--cgroup: who is in it and below it, and nobody else" {
	local fds=() pids=() given=() fd group
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
		kill "${pids[n]}"
		wait_until 10 gone "${pids[n]}"
	done
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
	TOP=10 start_tool -A -i 3600
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

# of_tool NAME: the entries of the tool's map with this name, as bpftool shows them.
of_tool() {
	local id
	id=$(bpftool -j map show | jq -r ".[] | select(.name == \"$1\" and
		any(.pids[]?; .pid == $tool_pid)) | .id")
	bpftool -j map dump id "$id"
}

all_alive() {
	local tgid
	for tgid in $(of_tool processes | jq -r '.[].formatted.value.tgid'); do
		alive "$tgid" || return 1
	done
}

memory_of_tool() {
	awk '/^VmRSS/ { print $2 }' "/proc/$tool_pid/status"
}

descriptors_of_tool() {
	find "/proc/$tool_pid/fd" | wc -l
}

# It keeps of each what the final report says of it, and nothing else.
@test "-A: hundreds of processes come and go" {
	local memory descriptors
	require_bpf
	require_command bpftool
	TOP=1 start_tool -A -i 3600
	ask_report
	"$PROGRAMS/churn" 100 50 vfork
	ask_report
	memory=$(memory_of_tool)
	descriptors=$(descriptors_of_tool)
	: >"$expect"
	"$PROGRAMS/churn" 250 50 vfork
	"$PROGRAMS/churn" 150 60 fork
	"$PROGRAMS/churn" 50 70 daemon
	ask_report
	wait_until 20 all_alive
	[ "$(memory_of_tool)" -lt $((memory + 32768)) ]
	[ "$(descriptors_of_tool)" -lt $((descriptors + 50)) ]
	PATIENCE=60 end_tool
	[ "$status" = 0 ]
	[ "$(wc -l <"$expect")" = 453 ]
	# A busy machine may fill tables; the sums are right all the same.
	losses="--allow blocks --allow frees --allow stacks --allow broken_stacks"
	losses+=" --allow truncated_stacks"
	COMPARE="--others --outer=any --top 1 $losses" compare report "$report" "$expect"
}
