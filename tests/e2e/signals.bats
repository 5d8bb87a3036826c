#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# However the tool ends, the target goes on: not stopped, not traced, every byte of its code in place.

load helper

@test "-p: INT brings the final report and detaches" {
	require_bpf
	start_pump
	start_tool -p "$target"
	ask_report
	tell mark "leak 5 100" "churn 20 8" truth
	end_tool INT
	[ "$status" = 0 ]
	compare report "$report" "$expect" --running
	unharmed "$target"
	tell "leak 1 1" "exit 0"
}

@test "-p: TERM is the same" {
	require_bpf
	start_pump
	start_tool -p "$target"
	ask_report
	tell mark "leak 7 300" "free 2" truth
	end_tool TERM
	[ "$status" = 0 ]
	compare report "$report" "$expect" --running
	unharmed "$target"
	tell "leak 1 1" "exit 0"
}

@test "-p: SIGKILL of the tool leaves the target unharmed" {
	require_bpf
	start_pump
	start_tool -p "$target"
	ask_report
	tell "leak 5 100" "churn 1000 16"
	end_tool KILL
	[ "$status" = 137 ]
	unharmed "$target"
	tell "leak 5 100" "churn 1000 16" "exit 0"
	wait "$target"
}

@test "-p: SIGKILL of the tool under load leaves the target unharmed" {
	require_bpf
	start_pump
	start_tool -p "$target"
	ask_report
	# Not waited for: the tool dies in the middle of it.
	echo "churn 20000 100" >&"$pump_fd"
	asked=$((asked + 1))
	end_tool KILL
	wait_until 30 answered
	unharmed "$target"
	tell "exit 0"
	wait "$target"
}

@test "every link: SIGKILL of the tool leaves the target unharmed" {
	require_bpf
	start_pump
	for link in session multi perf; do
		[ -s "$BATS_SUITE_TMPDIR/link-refused-$link" ] && continue
		start_tool --link=$link -p "$target"
		ask_report
		tell "churn 100 16" "leak 1 1" "map 65536"
		end_tool KILL
		unharmed "$target"
		tell "churn 100 16" "leak 1 1"
	done
	tell "exit 0"
}

@test "-p: USR1 brings a report at once, as often as asked" {
	require_bpf
	start_pump
	start_tool -p "$target" -i 3600 -o 0
	for n in 1 2 3; do
		ask_report
		tell "leak $n 10"
	done
	ask_report
	holds '.final == false and .seq == 4 and .processes[0].outstanding == {"blocks": 6, "bytes": 60}'
	end_tool
	compare sane "$report"
	[ "$(nr_reports)" = 5 ]
	tell "exit 0"
}

@test "the target ends: final report, status 0" {
	require_bpf
	start_pump
	start_tool -p "$target"
	ask_report
	tell mark "leak 3 1000"
	echo "exit 9" >&"$pump_fd"
	wait_for_tool
	[ "$status" = 0 ]
	compare report "$report" "$expect" --others
}

@test "the target is killed: final report, status 0" {
	require_bpf
	start_pump
	start_tool -p "$target"
	ask_report
	tell mark "leak 3 1000" truth
	kill -KILL "$target"
	wait_for_tool
	[ "$status" = 0 ]
	compare report "$report" "$expect"
}

@test "--: TERM lets the command go on without probes" {
	require_bpf
	open_pump
	EXPECT=$expect "$MEMLEAK" -f json --output "$report" --top 100000 -- "$PROGRAMS/pump" \
		<&"$pump_fd" >"$answers" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
	tell "leak 4 100" truth
	target=$(jq -s '.[-1].pid' "$expect")
	end_tool TERM
	[ "$status" = 0 ]
	compare report "$report" "$expect" --running
	unharmed "$target"
	tell "leak 1 1"
	kill "$target"
}

@test "--: SIGKILL of the tool lets the command go on, or ends it before it began" {
	require_bpf
	open_pump
	EXPECT=$expect "$MEMLEAK" -f json --output "$report" -- "$PROGRAMS/pump" \
		<&"$pump_fd" >"$answers" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
	tell "leak 4 100" truth
	target=$(jq -s '.[-1].pid' "$expect")
	end_tool KILL
	unharmed "$target"
	tell "leak 1 1" "churn 100 30"
	kill "$target"
}

@test "--: the first INT goes to the command alone" {
	local target
	require_bpf
	# A process group of its own, as at a terminal; INT is not ignored, as it is in the background.
	"$PYTHON" -c 'import os, signal, sys
os.setpgid(0, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv(sys.argv[1], sys.argv[1:])' "$MEMLEAK" -f json --output "$report" --top 100000 -- \
		"$PYTHON" -c 'import os, signal, time
def ended(*_):
    print("interrupted", flush=True)
    os._exit(6)
signal.signal(signal.SIGINT, ended)
print("ready", flush=True)
while True: time.sleep(1)' >"$out" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
	wait_until 20 grep -q ready "$out"
	kill -INT -- "-$tool_pid"
	wait_for_tool
	[ "$status" = 6 ]
	[ "$(grep -c interrupted "$out")" = 1 ]
	compare sane "$report"
}

@test "--: an INT sent to the tool alone reaches the command" {
	require_bpf
	"$PYTHON" -c 'import os, signal, sys
os.setpgid(0, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv(sys.argv[1], sys.argv[1:])' "$MEMLEAK" -f json --output "$report" --top 100000 -- \
		"$PYTHON" -c 'import time
print("ready", flush=True)
while True: time.sleep(1)' >"$out" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
	wait_until 20 grep -q ready "$out"
	kill -INT "$tool_pid"
	wait_for_tool
	[ "$status" = 130 ]
	compare sane "$report"
}

@test "--: a second INT ends the tool while the command goes on" {
	require_bpf
	"$PYTHON" -c 'import os, signal, sys
os.setpgid(0, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv(sys.argv[1], sys.argv[1:])' "$MEMLEAK" -f json --output "$report" --top 100000 -- \
		"$PYTHON" -c 'import os, signal, time
signal.signal(signal.SIGINT, lambda *_: print("ignored", flush=True))
print("ready", os.getpid(), flush=True)
while True: time.sleep(1)' >"$out" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
	wait_until 20 grep -q ready "$out"
	target=$(awk '/^ready/ { print $2 }' "$out")
	kill -INT -- "-$tool_pid"
	wait_until 10 grep -q ignored "$out"
	wait_until 10 took_signals # two of a kind would be one
	alive "$tool_pid"
	kill -INT "$tool_pid"
	wait_for_tool
	[ "$status" = 0 ]
	compare sane "$report" --running
	unharmed "$target"
	kill "$target"
}

@test "COUNT under -- detaches and lets the command go on" {
	require_bpf
	open_pump
	EXPECT=$expect "$MEMLEAK" -f json --output "$report" --top 100000 -i 0.5 -n 10 -- \
		"$PROGRAMS/pump" <&"$pump_fd" >"$answers" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
	tell "leak 4 100" truth
	target=$(jq -s '.[-1].pid' "$expect")
	wait_for_tool
	[ "$status" = 0 ]
	[ "$(nr_reports)" = 10 ]
	compare report "$report" "$expect" --running
	unharmed "$target"
	tell "leak 1 1"
	kill "$target"
}

@test "a stopped target can be attached to, and stays stopped" {
	require_bpf
	start_pump
	kill -STOP "$target"
	start_tool -p "$target"
	ask_report
	end_tool
	[ "$status" = 0 ]
	grep -q '^State:[[:blank:]]*T' "/proc/$target/status"
	kill -CONT "$target"
	unharmed "$target"
	tell "leak 1 1" "exit 0"
}

@test "attached and detached twenty times" {
	require_bpf
	start_pump
	for _ in {1..20}; do
		start_tool -p "$target"
		ask_report
		tell "churn 10 10" "leak 1 10"
		end_tool
		[ "$status" = 0 ]
	done
	unharmed "$target"
	tell "exit 0"
}

@test "two tools on one target" {
	local first first_report=$BATS_TEST_TMPDIR/first
	require_bpf
	start_pump
	report=$first_report
	start_tool -p "$target"
	ask_report
	first=$tool_pid
	report=$BATS_TEST_TMPDIR/report
	start_tool -p "$target"
	ask_report
	tell mark "leak 5 50" "free 1" truth
	end_tool
	[ "$status" = 0 ]
	compare report "$report" "$expect" --running
	tool_pid=$first
	end_tool
	[ "$status" = 0 ]
	compare report "$first_report" "$expect" --running
	unharmed "$target"
	tell "exit 0"
}

@test "a report that is asked for before it can be given comes when it can" {
	local fifo=$BATS_TEST_TMPDIR/suppressions
	require_bpf
	mkfifo "$fifo"
	start_pump
	# It gets no further than to this file until somebody writes to it.
	start_tool -p "$target" --suppressions "$fifo" -i 3600
	wait_until 10 listens
	[ ! -s "$report" ]
	kill -USR1 "$tool_pid"
	: >"$fifo"
	wait_until 20 has_reports 1
	tell "leak 3 100"
	end_tool
	[ "$status" = 0 ]
	holds '.processes[0].outstanding.blocks == 3'
	unharmed "$target"
	tell "exit 0"
}
