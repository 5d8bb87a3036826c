# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034 # the tests read these
#
# What all test files share. Variables that tests read: $report $expect $out $err (files of the last
# run), $status, $tool_pid, $target.

bats_require_minimum_version 1.5.0

# What a busy machine may lose with -A; the sums are right all the same.
BUSY="--allow blocks --allow no_memory --allow frees --allow stacks --allow stacks_no_memory
	--allow broken_stacks --allow truncated_stacks --allow late --allow late_ms"

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
MEMLEAK=${MEMLEAK:-$ROOT/memleak-bpf}
PROGRAMS=${PROGRAMS:-$ROOT/build/tests/programs}
# The files preload_*.bats are others once more, with --preload.
case $BATS_TEST_FILENAME in
*/preload_*) MEMLEAK_PRELOAD=1 ;;
esac
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
COMPARE_PY=$ROOT/tests/e2e/compare.py
INTACT_PY=$ROOT/tests/e2e/intact.py

# Skips the test, with the reason, where the kernel or the container refuses BPF.
require_bpf() {
	if [ -s "$BATS_SUITE_TMPDIR/bpf-refused" ]; then
		skip "BPF: $(head -n 1 "$BATS_SUITE_TMPDIR/bpf-refused")"
	fi
}

# require_link session: skips where this kernel has no such link.
require_link() {
	if [ -s "$BATS_SUITE_TMPDIR/link-refused-$1" ]; then
		skip "BPF: $(head -n 1 "$BATS_SUITE_TMPDIR/link-refused-$1")"
	fi
}

# Skips where the kernel lets nobody see what a process has not told of when it ends: before Linux 6.16.
require_deferring() {
	require_bpf
	[ -e "$BATS_FILE_TMPDIR/deferring" ] || {
		"$MEMLEAK" -v --preload -- "$PROGRAMS/malloc_one" >/dev/null 2>"$err"
		grep -c "tell of frees with the next allocation" "$err" >"$BATS_FILE_TMPDIR/deferring" || true
	}
	[ "$(cat "$BATS_FILE_TMPDIR/deferring")" != 0 ] || skip "Linux 6.16 is needed"
}

# says N WORDS: the program says that at least N have done so.
says() {
	[ "$(sed -n "s/ $2\$//p" "$out")" -ge "$1" ] || {
		cat "$out" "$err"
		return 1
	}
}

require_command() {
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

require_program() {
	[ -e "$PROGRAMS/$1" ] || skip "$1 was not built: its compiler or static libraries are missing"
}

# Skips where the tool was built with a sanitizer, which has an allocator of its own and slows it down.
require_plain() {
	! nm "$MEMLEAK" 2>/dev/null | grep -q ' __asan_init$' || skip "the tool has a sanitizer in it"
}

setup() {
	report=$BATS_TEST_TMPDIR/report
	expect=$BATS_TEST_TMPDIR/expect
	out=$BATS_TEST_TMPDIR/out
	err=$BATS_TEST_TMPDIR/err
	answers=$BATS_TEST_TMPDIR/answers
	tool_pid=
	export EXPECT=$expect
	export MEMLEAK_TEST_MARK=$BATS_SUITE_TMPDIR
	# -u nobody has to reach these.
	chmod 711 "$BATS_RUN_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_FILE_TMPDIR" 2>/dev/null || true
}

# No test leaves a process behind.
teardown() {
	local left
	[ -z "${public:-}" ] || rm -rf "$public"
	# redis overwrites its environment, and with it the mark that ours() looks for.
	[ ! -s "$BATS_TEST_TMPDIR/pidfile" ] || kill "$(cat "$BATS_TEST_TMPDIR/pidfile")" || true
	[ -z "${pump_fd:-}" ] || exec {pump_fd}>&-
	if [ -z "${BATS_TEST_COMPLETED:-}" ] || ! wait_until 5 none_of_ours; then
		left=$(ours)
		[ -n "$left" ] || return 0
		echo "# left running: $(ps -o pid=,args= -p "${left//$'\n'/,}" | tr '\n' ';')"
		# shellcheck disable=SC2086
		kill -KILL $left 2>/dev/null || true
		[ -n "${BATS_TEST_COMPLETED:-}" ] || return 0
		return 1
	fi
}

# The kernel takes its time to free programs on a busy machine: asked once a file, not after each test.
teardown_file() {
	wait_until 60 no_bpf_left || {
		echo "BPF programs left behind: $(bpf_left | tr '\n' ' ')"
		return 1
	}
}

# Processes that the tests started, by a mark in their environment.
ours() {
	grep -lzxF "MEMLEAK_TEST_MARK=$BATS_SUITE_TMPDIR" /proc/[0-9]*/environ 2>/dev/null |
		cut -d / -f 3 | while read -r pid; do
		case $(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null) in
		'' | Z*) ;;
		*) [ "$pid" = "$$" ] || [ "$pid" = "$BASHPID" ] || echo "$pid" ;;
		esac
	done
}

none_of_ours() {
	[ -z "$(ours)" ]
}

# BPF programs of probes and tracepoints that are newer than the suite and that no living process holds:
# other programs on the machine have theirs.
bpf_left() {
	command -v bpftool >/dev/null || PATH=$PATH:/usr/sbin
	[ -s "$BATS_SUITE_TMPDIR/bpf-before" ] || return 0
	bpftool -j prog list 2>/dev/null |
		jq -r '.[] | select(.type == "kprobe" or .type == "tracing") | .id' |
		grep -vxFf "$BATS_SUITE_TMPDIR/bpf-before" >"$BATS_SUITE_TMPDIR/bpf-now" || true
	cat /proc/[0-9]*/fdinfo/* 2>/dev/null | awk '$1 == "prog_id:" { print $2 }' |
		grep -vxFf - "$BATS_SUITE_TMPDIR/bpf-now" || true
}

no_bpf_left() {
	[ -z "$(bpf_left)" ]
}

# wait_until SECONDS COMMAND...: polls; fails when the time is over.
wait_until() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		if ((${EPOCHREALTIME/./} > end)); then
			echo "waited in vain for: $*" >&2
			return 1
		fi
		sleep 0.02
	done
}

# A program of ours by its name, or any other command.
resolve() {
	if [ -x "$PROGRAMS/$1" ]; then
		echo "$PROGRAMS/$1"
	else
		echo "$1"
	fi
}

# under_valgrind COMMAND...: Valgrind's logs of a run, made once a run of tests/run; prints their directory.
# With a file `endless` in it Valgrind did not come to an end: 3.24 does not with tcmalloc and threads, which
# spin for a lock whose owner it does not let run.
under_valgrind() {
	local command dir ended=0
	command=$(resolve "$1")
	dir=${VALGRIND_LOGS:-$BATS_SUITE_TMPDIR}/valgrind${MEMLEAK_PRELOAD:+-preload}-${command##*/}-$(echo "$*" | cksum | cut -d ' ' -f 1)
	shift
	if [ ! -d "$dir" ]; then
		mkdir -p "$dir"
		# The library has thread-local data, for which every thread gets a little more of its own.
		[ -z "${MEMLEAK_PRELOAD:-}" ] || export LD_PRELOAD=$ROOT/libmemleak.so
		# ld.so keeps in memory how many cycles it took, which must not look like an address.
		EXPECT=$dir/expect timeout -s KILL 80 valgrind --trace-children=yes \
			--aspace-minaddr=0x100000000 --run-libc-freeres=no --run-cxx-freeres=no --log-file="$dir/vg.%p" "$command" "$@" \
			>/dev/null 2>"$dir/err" </dev/null 3>&- 4>&- || ended=$?
		unset LD_PRELOAD
		[ "$ended" -ne 137 ] || touch "$dir/endless"
	fi
	echo "$dir"
}

# under_tool COMMAND...: the tool's own report of a program that Valgrind cannot see; prints its file.
under_tool() {
	local file
	file=$BATS_SUITE_TMPDIR/report-${1##*/}-$(echo "$*" | cksum | cut -d ' ' -f 1)
	[ -s "$file" ] || EXPECT='' "$MEMLEAK" -f json --output "$file" -- "$(resolve "$1")" "${@:2}" \
		>/dev/null 2>&1 </dev/null 3>&- 4>&- || true
	echo "$file"
}

compare() {
	local what=$1
	shift
	# shellcheck disable=SC2086
	"$PYTHON" "$COMPARE_PY" "$what" "$@" ${COMPARE:-} || {
		[ ! -s "$err" ] || sed 's/^/memleak-bpf said: /' "$err"
		return 1
	}
}

# truth COMMAND...: what the program says of itself is what Valgrind says of it. Needs no BPF.
truth() {
	local dir
	require_command valgrind
	dir=$(under_valgrind "$@")
	[ -s "$dir/expect" ] || {
		cat "$dir"/vg.* "$dir/err"
		return 1
	}
	compare truth "$dir/expect" "$dir" --runtime "$(under_valgrind baseline_cxx)"
}

# profile COMMAND...: runs it under the tool, with the options of $TOOL; the report is in $report.
# MEMLEAK_PRELOAD=1: with --preload too.
profile() {
	local command
	command=$(resolve "$1")
	shift
	rm -f "$report" "$expect"
	status=0
	# shellcheck disable=SC2086
	"$MEMLEAK" -f json --output "$report" --top 100000 ${MEMLEAK_PRELOAD:+--preload} ${TOOL:-} -- "$command" "$@" \
		>"$out" 2>"$err" </dev/null 3>&- 4>&- || status=$?
}

# check PROGRAM [ARG...]: the final report is what the program says of itself. STATUS: how it ends.
check() {
	local baseline oracle more=()
	require_bpf
	case $1 in env) ;; *) require_program "$1" ;; esac
	profile "$@"
	if [ "$status" != "${STATUS:-0}" ]; then
		echo "status $status, expected ${STATUS:-0}"
		cat "$err"
		return 1
	fi
	[ -s "$expect" ] || {
		echo "the program stated nothing"
		cat "$err"
		return 1
	}
	baseline=$(jq -sr '.[0].runtime' "$expect")
	[ -z "${RUNTIME:-}" ] || baseline=given
	case $baseline in
	given) more+=(--always-runtime --runtime "$RUNTIME") ;;
	'') ;;
	*_static | *_static_pie)
		more+=(--runtime "$(under_tool "$baseline")")
		;;
	*)
		require_command valgrind
		more+=(--runtime "$(under_valgrind "$baseline")")
		;;
	esac
	if grep -q '"exact":false' "$expect" && [ "${VALGRIND:-yes}" = yes ]; then
		require_command valgrind
		oracle=$(under_valgrind "$@")
		[ ! -e "$oracle/endless" ] || skip "this Valgrind does not come to an end with $*"
		more+=(--valgrind "$oracle")
	fi
	compare report "$report" "$expect" "${more[@]}"
}

# check_links PROGRAM [ARG...]: the same with every kind of uprobe link.
check_links() {
	local link
	require_bpf
	for link in session multi perf; do
		[ -s "$BATS_SUITE_TMPDIR/link-refused-$link" ] && continue
		echo "--link=$link:"
		TOOL="${TOOL:-} --link=$link" check "$@"
	done
}

# holds EXPRESSION: jq's, on the last report.
holds() {
	jq -se ".[-1] | $1" "$report" >"$BATS_TEST_TMPDIR/jq" || {
		echo "does not hold: $1 (gave $(head -c 300 "$BATS_TEST_TMPDIR/jq"))"
		jq -sc '.[-1].processes[] | del(.stacks)' "$report"
		jq -sc '.[-1].processes[].stacks[:5][] | {bytes, blocks, family, frames: [.frames[]?.symbol]}' \
			"$report"
		return 1
	}
}

# Sets $redis_server. One program under two names: Debian's redis-tools has it without the service.
require_redis() {
	local server
	server=$(command -v redis-server || command -v redis-check-rdb) || skip "redis is not installed"
	require_command redis-benchmark
	redis_server=$BATS_TEST_TMPDIR/redis-server
	ln -s "$server" "$redis_server"
}

nr_reports() {
	if [ -e "$report" ]; then wc -l <"$report"; else echo 0; fi
}

has_reports() {
	[ "$(nr_reports)" -ge "$1" ]
}

# start_tool OPTION...: in the background, JSON reports into $report.
start_tool() {
	rm -f "$report"
	"$MEMLEAK" -f json --output "$report" --top "${TOP:-100000}" "$@" >"$out" 2>"$err" 3>&- 4>&- &
	tool_pid=$!
}

alive() {
	case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
	'' | [ZX]*) return 1 ;;
	esac
}

gone() {
	! alive "$1"
}

# Every signal that was sent to the tool has been taken.
took_signals() {
	[ "$(awk '/^(SigPnd|ShdPnd):/ { n += $2 != "0000000000000000" } END { print n + 0 }' \
		"/proc/$tool_pid/status")" = 0 ]
}

# The tool answers SIGUSR1 from now on (it blocks it, to read it).
listens() {
	alive "$tool_pid" || {
		echo "the tool ended:"
		cat "$err"
		return 0
	}
	# Before its exec it is a shell, with a mask of its own.
	[ "$(cat "/proc/$tool_pid/comm" 2>/dev/null)" = "$(basename "$MEMLEAK" | cut -c -15)" ] ||
		return 1
	((0x$(awk '/^SigBlk:/ { print $2 }' "/proc/$tool_pid/status") & 0x200))
}

# Ask for a report now and wait for it. The first one says that the probes are in.
ask_report() {
	local had
	wait_until 10 listens
	had=$(nr_reports)
	kill -USR1 "$tool_pid"
	wait_until 20 has_reports $((had + 1)) || {
		cat "$err"
		return 1
	}
}

# of_tool NAME: the entries of the tool's map with this name, as bpftool shows them.
of_tool() {
	local id
	# shellcheck disable=SC2013 # numbers
	for id in $(cat "/proc/$tool_pid/fdinfo/"* 2>/dev/null | awk '$1 == "map_id:" { print $2 }'); do
		[ "$(bpftool -j map show id "$id" | jq -r .name)" = "$1" ] || continue
		bpftool -j map dump id "$id" | jq -ce 'if type == "array" then . else error(.error) end'
		return
	done
	echo "the tool has no map $1"
	return 1
}

# How many live blocks the tool's tables have, in slots (bpf/slots.h: tags that say 2 or 6) and elsewhere.
blocks_of_tool() {
	local slots others
	slots=$(of_tool buckets | jq '[.[].value |
		(.[0], .[8], .[16], .[24], .[32], .[40], .[48]) | select(test("[26ae]$"))] | length')
	others=$(of_tool blocks | jq length)
	echo $((slots + others))
}

# end_tool [SIGNAL]: sets $status.
end_tool() {
	kill "-${1:-INT}" "$tool_pid"
	wait_for_tool
}

wait_for_tool() {
	status=0
	wait_until "${PATIENCE:-30}" gone "$tool_pid" || {
		cat "$err"
		return 1
	}
	wait "$tool_pid" || status=$?
}

# start_pump: the program that does what tell says. Its pid is $target.
start_pump() {
	open_pump
	"$PROGRAMS/pump" <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	target=$!
	tell "leak 0 0" # it is up
}

open_pump() {
	[ -p "$BATS_TEST_TMPDIR/orders" ] || mkfifo "$BATS_TEST_TMPDIR/orders"
	exec {pump_fd}<>"$BATS_TEST_TMPDIR/orders"
	: >"$answers"
	asked=0
}

answered() {
	[ "$(wc -l <"$answers")" -ge "$asked" ]
}

# tell ORDER...: each an order of pump.c; waits until they are carried out.
tell() {
	printf '%s\n' "$@" >&"$pump_fd"
	asked=$((asked + $#))
	wait_until 20 answered
}

# Makes a group of cgroup v2: $group, with a group below it: $group/inner.
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

# The pump, with the library; by MEMLEAK_SAMPLE_BYTES it draws samples.
start_hooked() {
	open_pump
	LD_PRELOAD=$ROOT/libmemleak.so "$PROGRAMS/pump" <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	target=$!
	tell "leak 0 0"
}

# Several pumps, by number: fds[], pids[] and given[] are the test's.

# launch_nr N COMMAND...: its input comes from order, its answers are counted.
launch_nr() {
	local n=$1 fd
	shift
	mkfifo "$BATS_TEST_TMPDIR/orders$n"
	: >"$BATS_TEST_TMPDIR/answers$n"
	exec {fd}<>"$BATS_TEST_TMPDIR/orders$n"
	fds[n]=$fd
	"$@" <&"$fd" >"$BATS_TEST_TMPDIR/answers$n" 2>&1 3>&- 4>&- &
	pids[n]=$!
	given[n]=0
}

# start_nr N COMMAND...: the command becomes a pump; waits until it is up.
start_nr() {
	launch_nr "$@"
	order "$1" "leak 0 0"
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

stop_all() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait_until 10 gone "$pid"
	done
}

# The target runs, is not traced, not stopped, and its code is that of its files.
unharmed() {
	wait_until 10 "$PYTHON" "$INTACT_PY" "$1"
}

# refused STATUS WORDS ARG...: the tool fails so, says so (an extended regular expression, any case)
# in one to five lines on standard error, and nothing on standard output.
refused() {
	local expected=$1 words=$2 lines
	shift 2
	status=0
	timeout 20 "${AS[@]}" "$MEMLEAK" "$@" >"$out" 2>"$err" </dev/null 3>&- 4>&- || status=$?
	lines=$(wc -l <"$err")
	if [ "$status" != "$expected" ] || [ -s "$out" ] || [ "$lines" -lt 1 ] ||
		[ "$lines" -gt 5 ] || ! grep -qiE -- "$words" "$err"; then
		echo "memleak-bpf $*: status $status, expected $expected; stderr (to match '$words'):"
		cat "$err"
		echo "stdout:"
		head -n 5 "$out"
		return 1
	fi
}
