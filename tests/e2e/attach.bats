#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# Running processes, several of them, all of them; real programs beside the small ones.

load helper

# Totals are Valgrind's.
like_valgrind() {
	require_bpf
	require_command "$1"
	require_command valgrind
	profile "$@"
	[ "$status" = 0 ] || {
		cat "$err"
		return 1
	}
	COMPARE="--outer=any ${COMPARE:-}" compare valgrind "$report" "$(under_valgrind "$@")"
}

@test "sort allocates what Valgrind says" { like_valgrind sort -n /proc/self/limits; }

@test "sqlite3 allocates what Valgrind says" {
	like_valgrind sqlite3 :memory: "create table t(a integer primary key, b text);
		with recursive n(i) as (select 1 union all select i + 1 from n where i < 300)
		insert into t select i, hex(i * 7) || ' some text' from n;
		select count(*), sum(length(b)) from t where b like '%1%';
		create index i on t(b); delete from t where a % 3 = 0;"
}

@test "python3 allocates what Valgrind says" {
	export PYTHONMALLOC=malloc PYTHONHASHSEED=0
	like_valgrind "$PYTHON" -I -S -E -c "x = [str(i) * 10 for i in range(300)]"
}

@test "-p on python3: its blocks, and no others" {
	local script='import sys
kept = []
print("ready", flush=True)
for line in sys.stdin:
    word, n = line.split()
    if word == "more":
        kept.extend(bytearray(10006) for _ in range(int(n)))
    else:
        del kept[:int(n)]
    print("ok", flush=True)'
	require_bpf
	open_pump
	PYTHONMALLOC=malloc "$PYTHON" -c "$script" <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	target=$!
	asked=1
	wait_until 10 answered
	start_tool -p "$target" -a -o 0
	ask_report
	tell "more 1000" "less 300"
	ask_report
	# bytearray(n) asks for n + 1 bytes.
	holds '[.processes[0].stacks[].allocs[] | select(.bytes == 10007)] | length == 700'
	end_tool
	[ "$status" = 0 ]
	compare sane "$report" --show-allocs
	holds '[.processes[0].stacks[].allocs[] | select(.bytes == 10007)] | length == 700'
	unharmed "$target"
	tell "more 1"
	kill "$target"
}

# redis-server with its own truth of what it uses: rounded up to size classes, so a little more.
start_redis() {
	require_redis
	redis_socket=$BATS_TEST_TMPDIR/redis.sock
	redis=("$redis_server" --port 0 --unixsocket "$redis_socket" --save '' --appendonly no
		--dir "$BATS_TEST_TMPDIR" --activedefrag no --pidfile "$BATS_TEST_TMPDIR/pidfile")
}

redis_cli() {
	redis-cli -s "$redis_socket" "$@"
}

redis_answers() {
	[ "$(redis_cli ping 2>/dev/null)" = PONG ]
}

used_memory() {
	redis_cli info memory | tr -d '\r' | awk -F : '$1 == "used_memory" { print $2 }'
}

@test "-p on redis-server (jemalloc) under load" {
	local before after
	require_bpf
	start_redis
	"${redis[@]}" >"$BATS_TEST_TMPDIR/redis.log" 2>&1 3>&- 4>&- &
	target=$!
	wait_until 20 redis_answers
	start_tool -p "$target" -o 0
	ask_report
	redis-benchmark -s "$redis_socket" -q -n 3000 -c 10 -t set,get,lpush,sadd >/dev/null
	before=$(used_memory)
	ask_report
	held=$(jq -s '.[-1].processes[0].outstanding.bytes' "$report")
	redis_cli eval 'for i = 1, 300 do
		redis.call("set", "key" .. i, string.rep("x", 40900)) end' 0
	after=$(used_memory)
	ask_report
	# 40,900 bytes and a header lie just below a size class of 40,960.
	holds "(.processes[0].outstanding.bytes - $held) as \$more | ($after - $before) as \$used |
		(\$more - \$used) / \$used | fabs < 0.02"
	end_tool
	[ "$status" = 0 ]
	compare sane "$report" --outer=any
	holds '.processes[0].stacks[0].frames | length > 3'
	unharmed "$target"
	redis_answers
	redis_cli shutdown nosave || true
	wait_until 20 gone "$target"
}

@test "-- redis-server: what it holds is what it says it uses" {
	local used
	require_bpf
	start_redis
	"$MEMLEAK" -f json --output "$report" --top 100000 -o 0 -- "${redis[@]}" >"$out" \
		2>"$err" 3>&- 4>&- &
	tool_pid=$!
	wait_until 30 redis_answers
	redis_cli eval 'for i = 1, 100 do
		redis.call("set", "key" .. i, string.rep("x", 40900)) end' 0
	used=$(used_memory)
	ask_report
	# Lua, for one, takes its memory from libc; redis counts its own.
	holds "[.processes[0].stacks[] | select(.frames[0].symbol | test(\"^(z|try|_?sds)\")?).bytes] |
		add | . > 0.85 * $used and . < 1.02 * $used"
	redis_cli shutdown nosave || true
	wait_for_tool
	[ "$status" = 0 ]
	compare sane "$report" --outer=any
}

@test "-p with several processes" {
	local n fds=() pids=() given=() list
	require_bpf
	start_pumps 0 1 2
	list=$(IFS=,; echo "${pids[*]}")
	start_tool -p "$list"
	ask_report
	for n in 0 1 2; do
		order "$n" mark "leak $((n + 1)) $((100 * (n + 1)))" truth
	done
	end_tool
	[ "$status" = 0 ]
	compare report "$report" "$expect" --running
	stop_all
}

# start_pumps N...
start_pumps() {
	local n
	for n; do
		start_nr "$n" "$PROGRAMS/pump"
	done
}

@test "-A with ten processes coming and going, each with its own numbers" {
	local n fds=() pids=() given=()
	require_bpf
	start_pumps {0..4}
	TOP=10 start_tool -A -i 3600
	ask_report
	start_pumps {5..9}
	for n in {0..9}; do
		order "$n" mark "leak $((n + 1)) $((10 * (n + 1)))" "churn 5 100" "free $((n % 3))" \
			"map $((65536 * (n + 1)))"
	done
	# Some end at once, some are killed, some stay.
	for n in 0 1 5 6; do
		echo "exit 0" >&"${fds[n]}"
		wait_until 10 gone "${pids[n]}"
	done
	for n in 2 7; do
		order "$n" truth
		kill -KILL "${pids[n]}"
		wait_until 10 gone "${pids[n]}"
	done
	for n in 3 4 8 9; do
		order "$n" truth
	done
	PATIENCE=90 end_tool
	[ "$status" = 0 ]
	split_by_state 3 4 8 9
	COMPARE="--others --outer=any --top 10 $BUSY" compare report "$report" "$expect.ended"
	COMPARE="--others --outer=any --top 10 --running $BUSY" compare report "$report" "$expect.running"
	for n in 3 4 8 9; do
		unharmed "${pids[n]}"
	done
	stop_all
}

split_by_state() {
	local n list=
	for n; do
		list+="${pids[n]},"
	done
	jq -c "select(.pid | IN(${list%,}))" "$expect" >"$expect.running"
	jq -c "select(.pid | IN(${list%,}) | not)" "$expect" >"$expect.ended"
}

@test "-p with --follow sees the children, without it does not" {
	require_bpf
	start_pump
	start_tool -p "$target" --follow
	ask_report
	tell mark "leak 2 20" "fork 3 30" truth
	end_tool
	compare report "$report" "$(with_running)" --others
	start_tool -p "$target"
	ask_report
	tell mark "leak 2 20" "fork 3 30"
	end_tool
	holds '.processes | length == 1'
	unharmed "$target"
	tell "exit 0"
}

# The children have ended, the parent runs: compare only the children.
with_running() {
	jq -c "select(.pid != $target)" "$expect" >"$expect.children"
	[ -s "$expect.children" ] || return 1
	echo "$expect.children"
}

@test "--no-follow leaves the children of a command alone" {
	require_bpf
	TOOL=--no-follow profile forks
	[ "$status" = 0 ]
	holds '.processes | length == 1'
	holds '.processes[0].outstanding == {"blocks": 10, "bytes": 1936}'
}

@test "-O takes the functions from one object" {
	require_bpf
	open_pump
	LD_PRELOAD=$PROGRAMS/libbump.so "$PROGRAMS/pump" <&"$pump_fd" >"$answers" 3>&- 4>&- &
	target=$!
	tell "leak 1 1"
	start_tool -p "$target" -O "$PROGRAMS/libbump.so"
	ask_report
	tell mark "leak 5 100" "free 2" truth
	end_tool
	[ "$status" = 0 ]
	compare report "$report" "$expect" --running
	unharmed "$target"
	kill "$target"
}

@test "a process whose files are gone" {
	require_bpf
	cp "$PROGRAMS/pump" "$BATS_TEST_TMPDIR/pump"
	open_pump
	"$BATS_TEST_TMPDIR/pump" <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	target=$!
	tell "leak 1 1"
	rm "$BATS_TEST_TMPDIR/pump"
	start_tool -p "$target"
	ask_report
	tell mark "leak 5 100" truth
	end_tool
	[ "$status" = 0 ]
	compare report "$report" "$expect" --running
	kill "$target"
}

@test "a process that shows us nothing is not said to have ended" {
	require_bpf
	! cat /proc/1/maps >"$BATS_TEST_TMPDIR/maps" 2>&1 || skip "everything is shown here"
	refused 1 "/proc/1/maps: Permission denied" -p 1
}
