#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# Bad input: the exact status, one to five lines that say what is wrong, nothing on standard output.
# Wrong usage is 2 and needs no privilege; what could not be done is 1.

load helper

# Rows of ARGUMENTS | WORDS on standard input: each is refused with this status.
all_refused() {
	local status_expected=$1 args words failed=0
	while IFS='|' read -r args words; do
		args=${args%%+([[:blank:]])}
		words=${words##+([[:blank:]])}
		eval "set -- $args"
		refused "$status_expected" "${words:-.}" "$@" || failed=1
	done
	return $failed
}

@test "wrong options are wrong usage" {
	shopt -s extglob
	all_refused 2 <<-'ROWS'
		--frobnicate -p 1               | frobnicate
		-x -p 1                         | x
		-p                              | p
		-p 1 --interval                 | interval
		-p 1 -f xml                     | xml
		-p 1 --format=                  | format
		-p 1 --sort size                | size
		-p 1 --color blue               | blue
	ROWS
}

@test "malformed and impossible numbers are wrong usage" {
	shopt -s extglob
	all_refused 2 <<-'ROWS'
		-p 1 -i abc                     | abc
		-p 1 -i -1                      | -1
		-p 1 -i 0                       | 0
		-p 1 -i 5x                      | 5x
		-p 1 -i ''                      |
		-p 1 -i 99999999999999999999999 | 9999
		-p 1 -i nan                     | nan
		-p 1 -i inf                     | inf
		-p 1 -n 0                       | 0
		-p 1 -n -3                      | -3
		-p 1 -n 1.5                     | 1.5
		-p 1 -n 18446744073709551616    | 18446744073709551616
		-p 1 -T -1                      | -1
		-p 1 -T ten                     | ten
		-p 1 -T 0                       | 0
		-p 1 -o -5                      | -5
		-p 1 -o soon                    | soon
		-p 1 -z -1                      | -1
		-p 1 -z 12Q                     | 12Q
		-p 1 -z K                       | K
		-p 1 -z 99999999999G            | 99999999999G
		-p 1 -Z much                    | much
		-p 1 --max-blocks 0             | 0
		-p 1 --max-blocks -1            | -1
		-p 1 --max-blocks 99999999999   | 99999999999
		-p 1 --max-stacks 0             | 0
		-p 1 --max-stacks many          | many
		-p 1 --stack-depth 0            | 0
		-p 1 --stack-depth 1000000000   | 1000000000
		-p 1 abc                        | abc
		-p 1 -5                         | 5
		-p 1 0                          | 0
		-p 1 1 0                        | 0
		-p 1 1 x                        | x
	ROWS
}

@test "contradictory sizes are wrong usage" {
	shopt -s extglob
	all_refused 2 <<-'ROWS'
		-p 1 -z 100 -Z 99               | 100|99
		-p 1 -z 1M -Z 64K               |
		-p 1 -Z 10 -z 11                |
	ROWS
}

@test "no target, two kinds of target, malformed targets are wrong usage" {
	shopt -s extglob
	all_refused 2 <<-'ROWS'
		                                |
		-i 5                            |
		5 3                             |
		--                              |
		-p 1 -A                         |
		-p 1 -c true                    |
		-A -c true                      |
		-p 1 -- /bin/true               |
		-A -- /bin/true                 |
		-c true -- /bin/true            |
		-p 0                            | 0
		-p -1                           | -1
		-p init                         | init
		-p 1x                           | 1x
		-p ''                           |
		-p 1,                           |
		-p ,1                           |
		-p 1,,2                         |
		-p 99999999999999               | 99999999999999
		-c ''                           |
		-c '   '                        |
		-c "echo 'unfinished"           |
		-c 'echo "unfinished'           |
		-c 'echo \'                     |
	ROWS
}

@test "too many arguments are wrong usage" {
	shopt -s extglob
	all_refused 2 <<-'ROWS'
		-p 1 5 3 7                      |
		-A 5 3 7                        |
		-c true 5 3 7                   |
	ROWS
}

@test "--help and --version go to standard output, status 0" {
	for option in --help --version; do
		"$MEMLEAK" $option >"$out" 2>"$err"
		[ -s "$out" ]
		[ ! -s "$err" ]
	done
	"$MEMLEAK" --version | grep -qE '[0-9]+\.[0-9]+'
}

@test "no such process" {
	require_bpf
	true &
	wait $!
	refused 1 "$!" -p $!
	refused 1 "no such|no process|not exist" -p 4194303
}

@test "one missing process of several" {
	require_bpf
	start_pump
	refused 1 4194303 -p "$target,4194303"
	unharmed "$target"
	tell "leak 1 1"
	kill "$target"
}

@test "a kernel thread" {
	require_bpf
	[ -z "$(cat /proc/2/cmdline)" ] && [ -d /proc/2 ] || skip "no kernel threads in sight"
	refused 1 "kernel thread" -p 2
}

@test "a zombie" {
	local zombie parent
	require_bpf
	"$PYTHON" -c 'import os, time
pid = os.fork()
if not pid: os._exit(0)
print(pid, flush=True)
time.sleep(60)' >"$BATS_TEST_TMPDIR/zombie" 3>&- 4>&- &
	parent=$!
	wait_until 10 test -s "$BATS_TEST_TMPDIR/zombie"
	zombie=$(cat "$BATS_TEST_TMPDIR/zombie")
	wait_until 10 gone "$zombie"
	refused 1 zombie -p "$zombie"
	kill "$parent"
}

@test "a process whose first thread has ended" {
	require_bpf
	"$PYTHON" -c 'import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
ctypes.CDLL(None).pthread_exit(None)' 3>&- 4>&- &
	target=$!
	wait_until 10 gone "$target" # the first thread
	refused 1 "first thread of process $target has ended and others go on" -p "$target"
	kill -KILL "$target"
}

@test "not permitted: the missing capabilities are named" {
	[ "$(id -u)" = 0 ] || skip "needs root, to become nobody"
	require_command setpriv
	local tool=$MEMLEAK
	start_pump
	# Somewhere nobody can reach it; teardown removes it.
	public=$(mktemp -d /tmp/memleak-test.XXXXXX)
	MEMLEAK=$public/memleak-bpf
	chmod 755 "$public"
	cp "$tool" "$MEMLEAK"
	AS=(setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all)
	refused 1 "CAP_|root" -p "$target"
	grep -q "CAP_" "$err"
	refused 1 "CAP_" -- /bin/true
	refused 1 "CAP_" -A
	kill "$target"
}

@test "commands that cannot be started" {
	require_bpf
	echo "not a program" >"$BATS_TEST_TMPDIR/plain"
	refused 1 "/no/such/command" -- /no/such/command
	refused 1 "no-such-command-here" -- no-such-command-here
	refused 1 "no-such-command-here" -c "no-such-command-here x"
	refused 1 "permission|not executable" -- "$BATS_TEST_TMPDIR/plain"
	refused 1 "directory|permission|not executable" -- /tmp
}

@test "a command that somebody else traces" {
	require_bpf
	require_command strace
	run --separate-stderr strace -f -o /dev/null "$MEMLEAK" -- true 3>&- 4>&-
	[ "$status" = 1 ]
	[ -z "$output" ]
	[[ $stderr == *"cannot trace the command: process "[0-9]*"strace -f"* ]]
}

@test "objects that are none" {
	require_bpf
	cd "$BATS_TEST_TMPDIR"
	mkfifo fifo
	mkdir directory
	: >empty
	echo "plain text" >text
	head -c 1000 "$PROGRAMS/malloc_one" >truncated
	head -c 16 "$PROGRAMS/malloc_one" >header
	head -c 4096 /dev/urandom >random
	start_pump
	for object in fifo directory empty text truncated header random /dev/zero /dev/null \
		/dev/tty /no/such/object /proc/self/mem; do
		refused 1 "$object" -p "$target" -O "$object"
	done
	unharmed "$target"
	kill "$target"
}

@test "an object without allocation functions" {
	require_bpf
	start_pump
	refused 1 "allocation function" -p "$target" -O "$PROGRAMS/libctor.so"
	refused 1 "allocation function" -p "$target" --symbols-prefix nobody_has_this_
	kill "$target"
}

@test "an output file that cannot be written" {
	require_bpf
	refused 1 "/no/such/dir" --output /no/such/dir/file -- /bin/true
	refused 1 "/tmp" --output /tmp -- /bin/true
}

@test "an unknown user" {
	require_bpf
	refused 1 "no_such_user" -u no_such_user -- /bin/true
}

# Of a processor, the helper's with it: how long it waits for one is the machine's doing.
milliseconds() {
	local TIMEFORMAT='%3U %3S'
	{ time "$@" >/dev/null 2>&1 </dev/null || true; } 2>&1 | awk '{ print int(($1 + $2) * 1000) }'
}

# best_of LIMIT COMMAND...: the fastest of ten tries takes less.
best_of() {
	local limit=$1 best=99999 took
	[ -x "$MEMLEAK" ]
	shift
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		took=$(milliseconds "$@")
		((took < best)) && best=$took
		((best <= limit)) && return 0
	done
	echo "$*: $best ms at best, expected at most $limit ms"
	return 1
}

@test "a command is up within half a second" {
	require_bpf
	require_plain
	best_of 500 "$MEMLEAK" -- /bin/true
}

@test "a refusal takes a tenth of a second" {
	best_of 100 "$MEMLEAK" --frobnicate
	require_bpf
	best_of 100 "$MEMLEAK" -p 4194303
	best_of 100 "$MEMLEAK" -- /no/such/command
}
