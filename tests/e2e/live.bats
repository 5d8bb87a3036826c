#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# --live, as a person at a terminal sees it: in tmux, with its keys pressed and its screen read.

load helper

eval "common_$(declare -f teardown)"
teardown() {
	terminal kill-server 2>/dev/null || true
	common_teardown
}

terminal() {
	tmux -S "$BATS_TEST_TMPDIR/tmux" -f /dev/null "$@"
}

# A shell in it.
open_terminal() {
	require_command tmux
	cd "$BATS_TEST_TMPDIR" || return 1
	terminal new-session -d -x 110 -y 30 "exec env PS1='ready ' bash --norc --noprofile" 3>&- 4>&-
	wait_until 10 shows '^ready'
	press 'stty -a >before' Enter
	wait_until 10 test -s "$BATS_TEST_TMPDIR/before"
}

press() {
	terminal send-keys "$@"
}

screen() {
	terminal capture-pane -p
}

# shows REGEX: whether the screen does.
shows() {
	screen | grep -qE -- "$1"
}

see() {
	wait_until "${PATIENCE:-15}" shows "$1" || {
		screen
		return 1
	}
}

see_no() {
	wait_until 10 shows_no "$1" || {
		screen
		return 1
	}
}

shows_no() {
	! shows "$1"
}

# start_live OPTION...: typed into the terminal. tool_pid is the tool's.
start_live() {
	require_bpf
	[ -S "$BATS_TEST_TMPDIR/tmux" ] || open_terminal
	press "clear; $MEMLEAK --live $*; echo ended with \$?" Enter
	see 'q quit' || return 1
	tool_pid=$(pgrep -f -- "^$MEMLEAK --live" | head -n 1)
}

# The view has ended, with this status, and the terminal is what it was.
left_sane() {
	see "^ended with $1\$"
	[ "$(terminal display-message -p '#{alternate_on} #{cursor_flag}')" = '0 1' ]
	press 'clear; stty -a >after; echo done' Enter
	see '^done$'
	diff <(grep -v rows "$BATS_TEST_TMPDIR/before") <(grep -v rows "$BATS_TEST_TMPDIR/after")
}

@test "--live shows stacks as they grow, and the final report when one quits" {
	require_bpf
	start_pump
	start_live -p "$target" -o 0 0.3
	tell "leak 100 1000"
	see '^pump\[[0-9]+\]: 97\.7 KiB in 100 blocks outstanding'
	see '^\+ +97\.7 KiB +100 .* malloc .* pump_leak pump\.c:[0-9]+ < main'
	tell "leak 100 1000"
	see '^\+ +195\.3 KiB +200 '
	press q
	left_sane 0
	unharmed "$target"
	press "$MEMLEAK --live -p $target 0.2; clear" Enter
	see 'q quit'
	see 'No block is outstanding'
	press q
	see_no 'q quit'
	tell "exit 0"
}

@test "--live: a stack is expanded to its frames, and stays so" {
	require_bpf
	start_pump
	start_live -p "$target" -o 0 -a 0.3
	tell "leak 10 1000"
	see 'pump_leak pump'
	press Enter
	see '^ +pump_leak\+0x[0-9a-f]+ +pump\.c:[0-9]+ +\(pump\)'
	see '^ +main\+0x[0-9a-f]+ +pump\.c:[0-9]+ +\(pump\)'
	see '^ +_start\+0x'
	[ "$(screen | grep -cE '^ +0x[0-9a-f]{12} +1,000 B +age ')" = 10 ]
	tell "leak 100 1000"
	see '^- +107\.4 KiB +110 '
	see '^ +pump_leak\+0x'
	press End
	see '\.\.\. and more blocks'
	press Enter
	see_no 'main\+0x'
	press q
	left_sane 0
	tell "exit 0"
}

@test "--live: orders, pause, help" {
	require_bpf
	start_pump
	start_live -p "$target" -o 0 0.3
	tell "leak 100 10" "map 8192"
	see 'mmap.*pump_map'
	see 'by bytes'
	[ "$(screen | grep -E '^\+' | sed 's/.*\(pump_[a-z]*\).*/\1/' | tr '\n' ' ')" = 'pump_map pump_leak ' ]
	press n
	see 'by blocks'
	[ "$(screen | grep -E '^\+' | sed 's/.*\(pump_[a-z]*\).*/\1/' | tr '\n' ' ')" = 'pump_leak pump_map ' ]
	press s
	see 'by growth'
	press p
	see 'PAUSED'
	tell "leak 11 10"
	press '?'
	see 'the final report follows'
	press Escape
	see ' 100 blocks outstanding'
	press p
	see ' 111 blocks outstanding'
	see_no 'PAUSED'
	press q
	left_sane 0
	tell "exit 0"
}

@test "--live: a leak check now" {
	require_bpf
	"$PROGRAMS/service" 60 >/dev/null 2>&1 3>&- 4>&- &
	target=$!
	start_live -p "$target" 0.3
	see 'session_open'
	press l
	see '^leaks: .* definitely lost, .* stopped for [0-9.]+ ms'
	see "process $target as it was at the leak check; p goes on"
	see 'PAUSED'
	see ' definite .*session_open'
	see ' reachable .*cache_insert'
	press p
	see_no 'PAUSED'
	see_no '^leaks:'
	press q
	left_sane 0
	unharmed "$target"
	kill "$target"
}

@test "--live: the profile is saved, under a name of its own or those of -w" {
	local file
	require_bpf
	start_pump
	start_live -p "$target" -o 0 0.3
	tell "leak 7 1000"
	see ' 7 blocks outstanding'
	press w
	see 'saved memleak-bpf-[0-9]+-[0-9]+\.pb\.gz'
	file=$(cd "$BATS_TEST_TMPDIR" && echo memleak-bpf-*.pb.gz)
	"$MEMLEAK" report -f json "$BATS_TEST_TMPDIR/$file" >"$report"
	holds '.processes[0].outstanding == {"blocks": 7, "bytes": 7000}'
	press q
	left_sane 0
	start_live -p "$target" -o 0 -w a.json -w b.pb.gz 0.3
	tell "leak 8 1000"
	see ' 8 blocks outstanding'
	press w
	see 'saved a\.json and 1 more'
	cp "$BATS_TEST_TMPDIR/a.json" "$report"
	holds '.processes[0].outstanding.blocks == 8 and (.final | not)'
	rm -r "$BATS_TEST_TMPDIR/a.json"
	mkdir "$BATS_TEST_TMPDIR/a.json"
	press w
	see "cannot write 'a\.json': Is a directory"
	rmdir "$BATS_TEST_TMPDIR/a.json"
	press q
	left_sane 0
	cp "$BATS_TEST_TMPDIR/a.json" "$report"
	holds '.final'
	tell "exit 0"
}

@test "--live: several processes, and the stacks of the one that is chosen" {
	require_bpf
	start_pump
	tell "leak 0 0"
	"$PROGRAMS/service" 60 >/dev/null 2>&1 3>&- 4>&- &
	second=$!
	start_live -p "$target,$second" -o 0 0.3
	see "^2 processes: "
	see "^ +$second service "
	see "^ +$target pump "
	see "STACK of service\[$second\]"
	see 'session_open'
	press Tab Down
	see "STACK of pump\[$target\]"
	tell "leak 5 10"
	see 'pump_leak'
	see_no 'session_open'
	press Up
	see "STACK of service\[$second\]"
	kill "$second"
	see "^pump\[$target\]: "
	see 'pump_leak'
	see_no "$second"
	press q
	left_sane 0
	tell "exit 0"
}

@test "--live follows the size of the terminal" {
	require_bpf
	start_pump
	start_live -p "$target" -o 0 1000
	tell "leak 10 1000"
	press r
	see 'pump_leak'
	terminal resize-window -x 60 -y 10
	see '^ q quit  enter frames  s order  p pause  l leak check  w sav$'
	wait_until 10 drawn_to 60
	[ "$(screen | wc -l)" = 10 ]
	terminal resize-window -x 12 -y 2
	wait_until 10 drawn_to 12
	terminal resize-window -x 200 -y 50
	wait_until 10 drawn_to 200
	[ "$(screen | tail -n 1 | cut -c -7)" = ' q quit' ]
	see '^\+ .*malloc .{17}pump_leak'
	press q
	left_sane 0
	tell "exit 0"
}

# The title bar is as wide as the terminal.
drawn_to() {
	[ "$(terminal capture-pane -p -N | head -n 1 | awk '{ print length }')" = "$1" ] &&
		[ "$(terminal display-message -p '#{pane_width}')" = "$1" ]
}

@test "--live leaves the terminal as it was on signals, at the end of the target, and after COUNT" {
	local signal
	require_bpf
	start_pump
	for signal in INT TERM HUP QUIT; do
		start_live -p "$target" 0.3
		kill "-$signal" "$tool_pid"
		left_sane 0
	done
	start_live -p "$target" 1000
	press C-c
	left_sane 0
	press "$MEMLEAK --live -p $target 0.2 3; echo ended with \$?" Enter
	left_sane 0
	start_live -p "$target" 0.3
	tell "exit 0"
	left_sane 0
}

@test "--live ends with its terminal, and the target goes on" {
	require_bpf
	start_pump
	start_live -p "$target" 0.3
	terminal kill-server
	wait_until 10 gone "$tool_pid"
	unharmed "$target"
	tell "exit 0"
}

@test "--live with a command: its output is kept in a file, and its status is the tool's" {
	local file
	require_bpf
	open_terminal
	mkfifo "$BATS_TEST_TMPDIR/go"
	start_live 0.3 -- sh -c "'echo hello; echo oops >&2; read x; read x <go; exit 3'"
	see 'the output of the command goes to /.*\.out'
	see_no 'hello'
	echo >"$BATS_TEST_TMPDIR/go"
	see 'ended with 3'
	screen | grep -q "the output of the command is in '.*\.out'"
	file=$(screen | sed -n "s/.*the output of the command is in '\(.*\)'/\1/p")
	[ "$(cat "$file")" = $'hello\noops' ]
	rm "$file"
	left_sane 3
	start_live 0.3 -- cat go
	: >"$BATS_TEST_TMPDIR/go"
	see 'ended with 0'
	[ "$(screen | grep -c 'the output of the command')" = 0 ]
}

@test "--live with a command: Ctrl-C is the command's" {
	require_bpf
	open_terminal
	start_live 0.3 -- "$PROGRAMS/service" 60
	see 'session_open'
	press C-c
	left_sane 130
}

@test "--live: messages do not disturb it, and are printed at the end" {
	require_bpf
	start_pump
	start_live -p "$target" -v 0.3
	tell "leak 5 1000"
	press l
	see 'leak check'
	see '^pump\['
	[ "$(screen | grep -c 'memleak-bpf:')" = 0 ]
	press q
	see 'ended with 0'
	screen | grep -q "memleak-bpf: leak check of process $target"
	left_sane 0
	tell "exit 0"
}

@test "--live: names of a process cannot write on the terminal" {
	local evil
	require_bpf
	evil=$BATS_TEST_TMPDIR/$'ev\e[31mil\e]0;owned\a'
	cp "$PROGRAMS/pump" "$evil"
	PROGRAMS_OF_TEST=$PROGRAMS
	open_pump
	"$evil" <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	target=$!
	tell "leak 0 0"
	start_live -p "$target" -o 0 0.3
	tell "leak 5 1000"
	see '^ev\\x1b\[31mil\\x1b\]0;'
	see 'pump_leak'
	press Enter
	see 'pump_leak\+.*\(ev\\x1b'
	[ "$(terminal display-message -p '#{pane_title}')" != owned ]
	press q
	left_sane 0
	tell "exit 0"
}

@test "--live: colour, and NO_COLOR" {
	require_bpf
	start_pump
	start_live -p "$target" 0.3
	terminal capture-pane -p -e | grep -q $'\e\[[0-9;]*4[0-7]m'
	press q
	left_sane 0
	start_live -p "$target" --color never 0.3
	[ "$(terminal capture-pane -p -e | grep -cE $'\e\[([0-9]+;)*[34][0-7]m')" = 0 ]
	press q
	left_sane 0
	press 'export NO_COLOR=1' Enter
	start_live -p "$target" 0.3
	[ "$(terminal capture-pane -p -e | grep -cE $'\e\[([0-9]+;)*[34][0-7]m')" = 0 ]
	press q
	left_sane 0
	tell "exit 0"
}

@test "--live does nothing between reports" {
	local before
	require_bpf
	start_pump
	start_live -p "$target" -o 0 1000
	tell "leak 7 1000"
	see 'pump_leak' # the first look is an early one
	before=$(awk '{ print $14 + $15 }' "/proc/$tool_pid/stat")
	tell "leak 1000 10" "churn 5000 10"
	sleep 2
	[ $(($(awk '{ print $14 + $15 }' "/proc/$tool_pid/stat") - before)) -le 1 ]
	press q
	left_sane 0
	tell "exit 0"
}

@test "--live is refused where there is no terminal, and beside what wants standard output" {
	require_bpf
	start_pump
	refused 1 "needs a terminal, and standard input is none" --live -p "$target"
	refused 2 "does not go with --trace" -l -t -p "$target"
	refused 2 "does not go with --output" -l --output x -p "$target"
	refused 2 "does not go with --format" -l -f json -p "$target"
	refused 2 "is for tracing" report -l x.pb.gz
	open_terminal
	press "$MEMLEAK -l -p $target | cat" Enter
	see 'needs a terminal, and standard output is none'
	press "clear; TERM=no-such-thing $MEMLEAK -l -p $target" Enter
	see "does not know terminals of the kind 'no-such-thing': set TERM"
	press "clear; TERM=dumb $MEMLEAK -l -p $target" Enter
	see "cannot draw on a terminal of the kind 'dumb': set TERM"
	press "clear; env -u TERM $MEMLEAK -l -p $target" Enter
	see 'needs to know the kind of terminal: set TERM'
	tell "exit 0"
}

@test "--live: blocks of eight heights where the locale has them" {
	require_bpf
	locale -a | grep -qiE '^C\.utf-?8$' || skip "there is no locale C.UTF-8"
	export LC_ALL=C.UTF-8
	start_pump
	start_live -p "$target" -o 0 0.3
	tell "leak 10 1000"
	see 'pump_leak'
	tell "leak 1000 1000"
	see '^▸ .*█ +pump_leak|^▸ .*█ pump_leak'
	see '▁'
	press q
	left_sane 0
	tell "exit 0"
}
