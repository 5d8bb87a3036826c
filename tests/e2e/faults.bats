#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# What goes wrong around the tool: the target is unharmed, the message clear, nothing half-written.
# docs/faults.md lists each with its test.

load helper

OUT_OF_MEMORY=$ROOT/tests/e2e/out_of_memory.py

setup_file() {
	# A profile for what needs no privilege.
	[ -s "$BATS_SUITE_TMPDIR/bpf-refused" ] ||
		"$MEMLEAK" -q -a -w "$BATS_FILE_TMPDIR/saved.pb.gz" --output /dev/null -- "$PROGRAMS/leaks_cxx" \
			>/dev/null 2>&1 </dev/null 3>&- 4>&- || true
}

require_preload() {
	require_bpf
	require_plain
}

# with_fault VARIABLE=VALUE... -- COMMAND: the tool with the C library lying to it (libfaults.c).
with_fault() {
	local faults=()
	while [ "$1" != -- ]; do
		faults+=("$1")
		shift
	done
	shift
	env LD_PRELOAD="$PROGRAMS/libfaults.so" FAULTS_IN=memleak-bpf "${faults[@]}" "$@" 3>&- 4>&-
}

out_of_memory() {
	cd "$BATS_TEST_TMPDIR"
	"$PYTHON" "$OUT_OF_MEMORY" "$PROGRAMS/libfaults.so" "$@" 3>&- 4>&-
}

@test "out of memory at every allocation of report" {
	require_preload
	saved=$BATS_FILE_TMPDIR/saved.pb.gz
	out_of_memory --same -- "$MEMLEAK" report "$saved"
	out_of_memory --same -- "$MEMLEAK" report -f json -a --focus main --ignore 'x.*y' "$saved"
	out_of_memory --same -- "$MEMLEAK" report -f folded "$saved"
}

@test "out of memory at every allocation of diff and -w" {
	require_preload
	saved=$BATS_FILE_TMPDIR/saved.pb.gz
	out_of_memory -- "$MEMLEAK" diff -w a.pb.gz -w b.json -w c.folded "$saved" "$saved"
}

@test "out of memory while a command is traced" {
	require_preload
	out_of_memory --alone --stride "${OOM_STRIDE:-97}" -- "$MEMLEAK" -f json --output report -- \
		"$PROGRAMS/malloc_one"
}

@test "out of memory while a process is traced and checked: it goes on unharmed" {
	require_preload
	start_pump
	tell "leak 100 10"
	out_of_memory --alone --stride "${OOM_STRIDE:-211}" --after "'$PYTHON' '$INTACT_PY' $target" -- \
		"$MEMLEAK" -f json --output report -w w.pb.gz --leak-check=each -p "$target" 0.05 2
	tell "leak 1 1" "exit 0"
}

@test "--max-stacks: blocks whose stack does not fit are counted, and the option named" {
	require_bpf
	start_tool --max-stacks 16 -- "$PYTHON" -c pass
	wait_for_tool
	holds '.losses.stacks > 0 and (.processes[0] | .allocs - .frees == .outstanding.blocks)'
	"$MEMLEAK" --max-stacks 16 --output "$report" -- "$PYTHON" -c pass >"$out" 2>"$err" </dev/null
	grep -q -- --max-stacks "$report"
}

# Makes a group, $group, whose processes and their BPF maps share LIMIT bytes.
limit_memory() {
	local mounted
	mounted=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/mounts)
	if [ -n "$mounted" ]; then
		group=$mounted$(awk -F: '$2 == "memory" { print $3 }' /proc/self/cgroup)
		set -- "$1" memory.limit_in_bytes
	else
		group=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
		set -- "$1" memory.max
	fi
	group=$group/memleak-bpf-test-$$
	mkdir "$group" 2>/dev/null || skip "no cgroup can be made in ${group%/*}"
	echo "$1" 2>/dev/null >"$group/$2" || {
		rmdir "$group"
		skip "no cgroup here limits memory"
	}
}

@test "no memory for slots of blocks: the table grows with them" {
	local group limit
	require_bpf
	# Too little for them and enough for all else: how much that is differs between kernels.
	for limit in 64M 68M 72M 76M 80M; do
		limit_memory "$limit"
		# shellcheck disable=SC2016 # for the inner shell
		run bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" \
			"$MEMLEAK" -v -a -f json --output "$report" -- "$PROGRAMS/sizes" 3>&- 4>&-
		wait_until 10 rmdir "$group" # who was ended may take a moment to go
		[ "$status" = 0 ] && break
		# Refused, or ended by the kernel for want of memory; nothing else.
		[ "$status" = 1 ] || [ "$status" = 137 ]
	done
	[ "$status" = 0 ]
	[[ "$output" = *"no memory for 65536 buckets of blocks"* ]]
	holds '.processes[0].allocs > 0 and .losses.blocks == 0'
}

@test "a full ring buffer: what was dropped is counted, sums stay right" {
	require_bpf
	start_pump
	start_tool -t --output /dev/null -w "$BATS_TEST_TMPDIR/w.json" -p "$target"
	wait_until 10 listens
	kill -USR1 "$tool_pid"
	wait_until 20 [ -s "$BATS_TEST_TMPDIR/w.json" ] # the probes are in
	kill -STOP "$tool_pid"
	tell "leak 10 10" "churn 30000 16"
	kill -CONT "$tool_pid"
	end_tool
	[ "$status" = 0 ]
	report=$BATS_TEST_TMPDIR/w.json
	holds '.losses.events > 0'
	holds '.processes[0] | .allocs == 30010 and .frees == 30000 and .outstanding == {"blocks": 10, "bytes": 100}'
	unharmed "$target"
	tell "exit 0"
}

# Moments of an attach, a run and a check, in seconds: a sweep, no waiting for anything.
MOMENTS="0 0.01 0.03 0.06 0.1 0.15 0.2 0.25 0.3 0.4 0.5 0.7"

@test "the target is killed at any moment: a report, or the reason in one line" {
	require_bpf
	for moment in $MOMENTS; do
		start_pump
		tell "leak 1000 10"
		start_tool --leak-check=each -p "$target" 0.02
		sleep "$moment"
		kill -KILL "$target"
		wait_for_tool
		exec {pump_fd}>&-
		rm "$BATS_TEST_TMPDIR/orders"
		lines=$(wc -l <"$err")
		[ "$status" = 0 ] || { [ "$status" = 1 ] && [ "$lines" -ge 1 ] && [ "$lines" -le 5 ]; } || {
			echo "after $moment s: status $status"
			cat "$err"
			return 1
		}
		[ ! -s "$report" ] || "$PYTHON" "$COMPARE_PY" sane "$report" --no-final
	done
}

@test "the tool is killed at any moment: the target goes on unharmed" {
	require_bpf
	start_pump
	tell "leak 1000 10"
	for moment in $MOMENTS; do
		start_tool --leak-check=each -p "$target" 0.02
		sleep "$moment"
		end_tool KILL
		wait_until 10 unharmed "$target"
		tell "leak 1 1" "churn 10 16"
	done
	tell "exit 0"
}

began_or_never() {
	[ -s "$answers" ] || none_of_ours
}

@test "the tool is killed at any moment of a command: it never began, or goes on" {
	require_bpf
	for moment in $MOMENTS; do
		rm -f "$answers"
		start_tool --leak-check=each -- sh -c \
			"echo \$\$ >'$answers'; '$PROGRAMS/churn' >/dev/null; echo done >>'$answers'; exec sleep 100"
		sleep "$moment"
		end_tool KILL
		wait_until 20 began_or_never
		[ -s "$answers" ] || continue
		target=$(head -n 1 "$answers")
		wait_until 20 grep -q done "$answers"
		unharmed "$target"
		kill "$target"
	done
}

@test "fsync or rename fails: the file that was there stays, and nothing else" {
	require_preload
	saved=$BATS_FILE_TMPDIR/saved.pb.gz
	dir=$BATS_TEST_TMPDIR/files
	mkdir "$dir"
	echo before >"$dir/w.pb.gz"
	for fault in FAULTS_FSYNC=5 FAULTS_RENAME=28; do
		status=0
		with_fault "$fault" -- "$MEMLEAK" report -w "$dir/w.pb.gz" "$saved" >"$out" 2>"$err" || status=$?
		[ "$status" = 1 ]
		grep -qE "cannot write '.*w.pb.gz': (Input/output error|No space left)" "$err"
		[ "$(cat "$dir/w.pb.gz")" = before ]
		[ "$(ls -A "$dir")" = w.pb.gz ]
	done
}

@test "the disk of --output fills up: whole reports alone, the reason, the target unharmed" {
	require_bpf
	start_pump
	tell "leak 200 10"
	disk=$BATS_TEST_TMPDIR/disk
	mkdir "$disk"
	mount -t tmpfs -o size=16k none "$disk" 2>/dev/null || skip "no tmpfs can be mounted"
	status=0
	timeout 30 "$MEMLEAK" -f json -a -o 0 --output "$disk/report" -p "$target" 0.05 \
		>"$out" 2>"$err" </dev/null 3>&- 4>&- || status=$?
	cp "$disk/report" "$report"
	umount "$disk"
	[ "$status" = 1 ]
	[ "$(wc -l <"$err")" = 1 ]
	grep -q "cannot write the report: No space left on device" "$err"
	jq -e . "$report" >/dev/null # every line is a whole one
	[ "$(tail -c 1 "$report" | wc -l)" = 1 ]
	unharmed "$target"
	tell "exit 0"
}

@test "standard output is closed: said, and no other file is written to" {
	require_bpf
	saved=$BATS_FILE_TMPDIR/saved.pb.gz
	before=$(cksum <"$saved")
	status=0
	"$MEMLEAK" report "$saved" >&- 2>"$err" </dev/null || status=$?
	[ "$status" = 1 ]
	grep -q "cannot write the report: Bad file descriptor" "$err"
	status=0
	"$MEMLEAK" report "$saved" >&- 2>&- <&- || status=$?
	[ "$status" = 1 ]
	[ "$(cksum <"$saved")" = "$before" ]
	start_pump
	status=0
	timeout 20 "$MEMLEAK" -p "$target" 0.1 >&- 2>"$err" </dev/null 3>&- 4>&- || status=$?
	[ "$status" = 1 ]
	grep -q "cannot write the report: Bad file descriptor" "$err"
	unharmed "$target"
	tell "exit 0"
}

@test "the clock is set back: only the label of a report changes" {
	require_preload
	start_pump
	tell "leak 10 10"
	LD_PRELOAD=$PROGRAMS/libfaults.so FAULTS_IN=memleak-bpf FAULTS_CLOCK=-86400 \
		start_tool -o 0 -p "$target" 0.3 5
	wait_until 20 has_reports 1
	tell "leak 5 100"
	wait_for_tool
	[ "$status" = 0 ]
	jq -se '([.[].elapsed_s] | . == sort and .[0] > 0.2 and .[-1] < 30) and ([.[].time] | . != sort)' "$report"
	jq -se '[.[].processes[].stacks[] | .age_ms.oldest] | min >= 0 and max < 30000' "$report"
	tell "exit 0"
}

@test "a process with a hundred thousand mappings" {
	require_bpf
	limit=$(cat /proc/sys/vm/max_map_count)
	# Where this fails, the limit stays raised, which does no harm.
	[ "$limit" -gt 110000 ] || echo 110000 >/proc/sys/vm/max_map_count || skip "vm.max_map_count is $limit"
	open_pump
	"$PROGRAMS/mappings" 100000 <&"$pump_fd" >"$answers" 2>"$err" 3>&- 4>&- &
	target=$!
	wait_until 20 grep -q ready "$answers"
	[ "$(wc -l <"/proc/$target/maps")" -gt 100000 ]
	start_tool -o 0 -p "$target" --leak-check=final
	ask_report
	asked=1
	tell go # mappings, while it is traced
	SECONDS=0
	end_tool
	[ "$status" = 0 ]
	[ "$SECONDS" -lt 20 ]
	holds '.processes[0] | .mmap.blocks == 1000 and .pause_ms < 2000'
	unharmed "$target"
	kill "$target"
	echo "$limit" >/proc/sys/vm/max_map_count
}

# The sleeps of the tool: each time that it is woken it goes to sleep again.
sleeps() {
	sed -n 's/^voluntary_ctxt_switches:[[:space:]]*//p' "/proc/$tool_pid/status"
}

@test "mappings wake the tool when there are many" {
	local before
	require_bpf
	open_pump
	"$PROGRAMS/mappings" 1 <&"$pump_fd" >"$answers" 2>"$err" 3>&- 4>&- &
	target=$!
	wait_until 20 grep -q ready "$answers"
	start_tool -o 0 -p "$target" -i 3600 --leak-check=no
	ask_report
	asked=1
	before=$(sleeps)
	tell go
	[ "$(($(sleeps) - before))" -lt 50 ]
	for _ in 1 2 3 4 5 6 7 8 9; do tell go; done
	end_tool
	[ "$status" = 0 ]
	holds '(.processes[0].mmap.blocks == 10000) and (.losses | add == 0)'
	unharmed "$target"
	kill "$target"
}

@test "a program file of two gigabytes" {
	require_bpf
	big=$BATS_TEST_TMPDIR/big
	# Its section headers at the very end, a hole before.
	"$PYTHON" - "$PROGRAMS/malloc_one" "$big" <<-'END'
		import os, struct, sys
		data = bytearray(open(sys.argv[1], "rb").read())
		start, size, n = (struct.unpack_from(f, data, at)[0] for f, at in (("<Q", 40), ("<H", 58), ("<H", 60)))
		with open(sys.argv[2], "wb") as f:
		    headers = bytes(data[start:start + size * n])
		    struct.pack_into("<Q", data, 40, (2 << 30) + 4096)
		    f.write(data)
		    f.seek((2 << 30) + 4096)
		    f.write(headers)
		os.chmod(sys.argv[2], 0o755)
	END
	SECONDS=0
	profile "$big"
	[ "$status" = 0 ]
	[ "$SECONDS" -lt 10 ]
	holds '.processes[0].stacks[0] | .bytes == 10 and .frames[0].symbol == "func"'
}
