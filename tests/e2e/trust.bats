#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tool may do, what it leaves to the command, and what it reads in a process that may nothing.

load helper

setup_file() {
	: >"$BATS_FILE_TMPDIR/none"
}

BASE='bpf perfmon sys_ptrace dac_read_search checkpoint_restore'

# bits NAME...: as /proc/PID/status has them.
bits() {
	local name sum=0
	local -A number=([dac_override]=1 [dac_read_search]=2 [kill]=5 [setgid]=6 [setuid]=7
		[sys_ptrace]=19 [sys_admin]=21 [sys_nice]=23 [perfmon]=38 [bpf]=39 [checkpoint_restore]=40)
	for name; do
		((sum |= 1 << number[$name]))
	done
	printf '%016x' "$sum"
}

# status_of PID FIELD
status_of() {
	awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"
}

# has_capabilities PID NAME...: these and no others.
has_capabilities() {
	local pid=$1 set
	shift
	for set in CapPrm CapEff; do
		[ "$(status_of "$pid" $set)" = "$(bits "$@")" ] || {
			echo "$set is $(status_of "$pid" $set), expected $(bits "$@")"
			return 1
		}
	done
	[ "$(status_of "$pid" CapInh)" = "$(bits)" ]
	[ "$(status_of "$pid" NoNewPrivs)" = 1 ]
}

# public_tool [CAPABILITIES]: a copy that everybody can run, with file capabilities.
public_tool() {
	public=$(mktemp -d /tmp/memleak-test.XXXXXX)
	chmod 755 "$public"
	cp "$MEMLEAK" "$public/memleak-bpf"
	[ -z "${1:-}" ] || setcap "$1" "$public/memleak-bpf" || skip "no file capabilities in /tmp"
	MEMLEAK=$public/memleak-bpf
	report=$public/report err=$public/err
	chmod 777 "$public"
}

AS_NOBODY=(setpriv --reuid 65534 --regid 65534 --clear-groups)
RECIPE=cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,cap_checkpoint_restore+ep

@test "the running tool has the documented capabilities and no others" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root, to have more"
	start_pump
	start_tool -p "$target"
	ask_report
	# shellcheck disable=SC2086
	has_capabilities "$tool_pid" $BASE
	# Threads too.
	[ "$(cat /proc/"$tool_pid"/task/*/status | grep -c 'CapEff:.*0000000000000000')" = \
		$(($(find /proc/"$tool_pid"/task -maxdepth 1 -name '[0-9]*' | wc -l) - 1)) ]
	end_tool
	start_tool -p "$target" --link=perf
	ask_report
	# shellcheck disable=SC2086
	has_capabilities "$tool_pid" $BASE sys_admin
	end_tool
	start_tool -p "$target" --leak-check final
	ask_report
	# shellcheck disable=SC2086
	has_capabilities "$tool_pid" $BASE sys_nice
	end_tool
	kill "$target"
}

@test "who runs a command as another user can send it SIGINT, nothing more" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root, to become nobody"
	start_tool -u nobody -- "$PYTHON" -c 'import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
print("ready", flush=True)
while True: time.sleep(1)'
	wait_until 20 grep -q ready "$out"
	# shellcheck disable=SC2086
	has_capabilities "$tool_pid" $BASE kill sys_nice
	end_tool
	[ "$status" = 7 ]
}

@test "a home that is not root's: -w and --output take a right more" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root, to have less"
	public=$(mktemp -d /tmp/memleak-test.XXXXXX)
	chown nobody "$public"
	report=$public/report
	start_pump
	start_tool -w "$public/profile.json" -p "$target"
	ask_report
	# shellcheck disable=SC2086
	has_capabilities "$tool_pid" $BASE dac_override
	end_tool
	kill "$target"
	[ -s "$public/profile.json" ]
	[ -s "$public/report" ]
}

@test "a command is what it would be without the tool" {
	require_bpf
	local what=("$PYTHON" "$BATS_TEST_DIRNAME/inherited.py")
	"${what[@]}" >"$BATS_TEST_TMPDIR/plain" 2>"$err" 3>&- 4>&-
	"$MEMLEAK" --output "$report" -- "${what[@]}" >"$out" 2>"$err" 3>&- 4>&-
	diff <(sed "s,/plain$,/out," "$BATS_TEST_TMPDIR/plain") "$out"
	# With ambient capabilities, a smaller bounding set, securebits, a limit of its own.
	[ "$(id -u)" = 0 ] || return 0
	local odd=(setpriv --inh-caps=+net_raw,+kill --ambient-caps=+net_raw --bounding-set=-sys_boot
		--securebits=+no_setuid_fixup)
	ulimit -Sn 500
	"${odd[@]}" "${what[@]}" >"$BATS_TEST_TMPDIR/plain" 2>"$err" 3>&- 4>&-
	"${odd[@]}" "$MEMLEAK" --output "$report" -- "${what[@]}" >"$out" 2>"$err" 3>&- 4>&-
	diff <(sed "s,/plain$,/out," "$BATS_TEST_TMPDIR/plain") "$out"
	grep -q "CapAmb:.*2000" "$out"
}

@test "a limit on address space, below the reader's own: names are there" {
	require_bpf
	(
		ulimit -v 4000000
		EXPECT='' exec "$MEMLEAK" -f json --output "$report" -- "$PROGRAMS/malloc_one"
	) 2>"$err"
	[ ! -s "$err" ]
	holds '.losses.unread_files == 0'
	holds '.processes[0].stacks[0].frames[0].symbol != null'
}

@test "too few open files for the tool, wherever they run out: the limit is named" {
	require_bpf
	local files
	for files in 7 8 24; do
		run bash -c 'ulimit -n $2; exec "$0" --output "$1" -- true 2>&1 3>&- 4>&-' \
			"$MEMLEAK" "$report" "$files"
		[ "$status" = 1 ]
		[[ $output == *"ulimit -n"* ]]
		[[ $output != *"Linux 6.1"* ]]
	done
}

@test "as another user a command has that user's groups, name and home" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root, to become nobody"
	SUDO_USER=nobody "$MEMLEAK" --output "$report" -- sh -c \
		'id -un; id -Gn; echo $HOME $USER $LOGNAME; grep ^Cap /proc/self/status' >"$out" 2>"$err"
	{
		echo nobody
		id -Gn nobody
		echo "$(getent passwd nobody | cut -d : -f 6) nobody nobody"
	} | diff - <(head -n 3 "$out")
	grep -q '^CapPrm:.0000000000000000$' "$out"
	grep -q '^CapEff:.0000000000000000$' "$out"
}

@test "a setuid program that the command is, or starts, gets its rights" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root, to make a setuid program"
	public_tool
	cp "$(command -v cat)" "$public/cat"
	echo secret >"$public/secret"
	chmod 600 "$public/secret"
	chmod 4755 "$public/cat"
	[ "$("$MEMLEAK" --output "$report" -u nobody -- "$public/cat" "$public/secret" 2>"$err")" = secret ]
	[ "$("$MEMLEAK" --output "$report" -u nobody -- \
		sh -c "$public/cat $public/secret" 2>"$err")" = secret ]
}

@test "setcap: a user other than root traces processes and runs commands" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root, for setcap"
	require_command setcap
	public_tool "$RECIPE"
	chmod 755 "$PROGRAMS/.." "$PROGRAMS" 2>/dev/null || true
	cp "$PROGRAMS/malloc_one" "$public/malloc_one"
	EXPECT='' "${AS_NOBODY[@]}" "$MEMLEAK" -f json --output "$report" -- "$public/malloc_one" 2>"$err"
	holds '.processes[0].leaks.definite.blocks == 1'
	holds '.processes[0].stacks[0].frames[0].symbol != null'
	"${AS_NOBODY[@]}" "$MEMLEAK" --output "$public/text" -- sh -c 'grep ^Cap /proc/self/status' >"$out" 2>"$err"
	grep -q '^CapEff:.0000000000000000$' "$out"
	# Processes of root and of its own.
	for user in root nobody; do
		as=()
		[ "$user" = root ] || as=("${AS_NOBODY[@]}")
		"${as[@]}" "$PYTHON" -c 'import time
while True: x = bytearray(100000); time.sleep(0.01)' 3>&- 4>&- &
		target=$!
		rm -f "$report"
		"${AS_NOBODY[@]}" "$MEMLEAK" -f json --output "$report" -p "$target" --leak-check final 1 2 2>"$err"
		holds '.processes[0].allocs > 0 and .processes[0].leaks != null'
		unharmed "$target"
		kill "$target"
	done
}

@test "setcap: and every process of the machine" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root, for setcap"
	require_command setcap
	public_tool "$RECIPE"
	"$PYTHON" -c 'import time
while True: x = bytearray(100000); time.sleep(0.01)' 3>&- 4>&- &
	target=$!
	"${AS_NOBODY[@]}" "$MEMLEAK" -f json --output "$report" -A 1 2 2>"$err"
	holds "[.processes[] | select(.pid == $target).allocs] | add > 0"
	# The tool and the process that reads for it are none of those that it watches.
	holds '[.processes[].comm | select(startswith("memleak-bpf"))] == []'
	unharmed "$target"
	kill "$target"
}

@test "setcap: what is missing is named" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root, for setcap"
	require_command setcap
	public_tool cap_bpf,cap_perfmon,cap_dac_read_search+ep
	AS=("${AS_NOBODY[@]}")
	refused 1 "missing CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE;" -- /bin/true
	setcap "$RECIPE" "$MEMLEAK"
	refused 1 "missing CAP_SETUID, CAP_SETGID" -u root -- /bin/true
}

helper_of() {
	pgrep -P "$1" -f '^memleak-bpf-reader$' || true
}

@test "the process that reads files may nothing, and ends with the tool" {
	require_bpf
	local helper
	start_pump
	start_tool -p "$target"
	ask_report
	helper=$(helper_of "$tool_pid")
	[ "$(status_of "$helper" Seccomp)" = 2 ]
	[ "$(status_of "$helper" NoNewPrivs)" = 1 ]
	for set in CapInh CapPrm CapEff CapAmb; do
		[ "$(status_of "$helper" $set)" = "$(bits)" ]
	done
	# Its socket, and the files that it was handed.
	for fd in /proc/"$helper"/fd/*; do
		case $(readlink "$fd") in socket:* | /*.so* | */pump) ;; *) readlink "$fd"; false ;; esac
	done
	end_tool KILL
	wait_until 10 gone "$helper"
	unharmed "$target"
	kill "$target"
}

@test "a reader that dies costs names, not the run: at every kind of request" {
	require_bpf
	local kind what
	require_program malloc_one
	for kind in 0 1 2; do
		for what in die open; do
			status=0
			MEMLEAK_BPF_READER_FAULT=$kind:$what EXPECT='' "$MEMLEAK" -f json --output "$report" \
				-- "$PROGRAMS/malloc_one" >"$out" 2>"$err" 3>&- 4>&- || status=$?
			[ "$(grep -c "the process that reads" "$err")" = 1 ]
			# Without allocation functions there is nothing to trace.
			if [ $kind = 0 ]; then
				[ "$status" = 1 ]
				continue
			fi
			[ "$status" = 0 ]
			holds '.losses.unread_files > 0'
			holds '.processes[0].outstanding == {blocks: 1, bytes: 10}'
			[ $kind != 2 ] || holds '.processes[0].stacks[0].frames[0].symbol == null'
		done
	done
}

@test "a reader that dies of suppressions costs the run, before the command begins" {
	require_bpf
	local what
	printf '{\nx\nMemcheck:Leak\nfun:x\n}\n' >"$BATS_TEST_TMPDIR/supp"
	for what in die open eat; do
		MEMLEAK_BPF_READER_FAULT=4:$what refused 1 "cannot read '.*/supp': the process that reads files .*" \
			--suppressions "$BATS_TEST_TMPDIR/supp" -- touch "$BATS_TEST_TMPDIR/begun"
		[ "$(wc -l <"$err")" = 1 ]
		[ ! -e "$BATS_TEST_TMPDIR/begun" ]
	done
	refused 1 "cannot read suppressions from '.*': Is a directory" --suppressions / -- touch "$BATS_TEST_TMPDIR/begun"
	[ ! -e "$BATS_TEST_TMPDIR/begun" ]
	"$MEMLEAK" --suppressions <(cat "$BATS_TEST_TMPDIR/supp") -- touch "$BATS_TEST_TMPDIR/begun" >"$out" 2>"$err"
	[ -e "$BATS_TEST_TMPDIR/begun" ]
}

@test "a reader that is killed is replaced; what it read before stays" {
	require_bpf
	start_pump
	start_tool -p "$target"
	ask_report
	tell "leak 3 100"
	kill -KILL "$(helper_of "$tool_pid")"
	tell "leak 2 200"
	ask_report
	holds '.processes[0].outstanding.blocks == 5'
	end_tool
	[ "$status" = 0 ]
	unharmed "$target"
	kill "$target"
}
