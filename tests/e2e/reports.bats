#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# What the options of the reports do.

load helper

@test "text: HEAP SUMMARY as Valgrind prints it" {
	require_bpf
	"$MEMLEAK" --show-leak-kinds=all --output "$report" -c "$PROGRAMS/malloc_one" >"$out" 2>"$err"
	grep -qE '^HEAP SUMMARY:$' "$report"
	grep -qE '^ +in use at exit: 10 bytes in 1 blocks$' "$report"
	grep -qE '^ +total heap usage: 1 allocs, 0 frees, 10 bytes allocated$' "$report"
	grep -qE '^ +peak heap: 10 bytes' "$report"
	grep -qE '\bfunc\+0x[0-9a-f]+ .*malloc_one\.c:[0-9]+' "$report"
	[ ! -s "$out" ]
}

@test "text: goes to standard output, messages do not" {
	require_bpf
	"$MEMLEAK" -- "$PROGRAMS/malloc_one" >"$out" 2>"$err"
	grep -q "HEAP SUMMARY" "$out"
	run ! grep -q "HEAP SUMMARY" "$err"
}

@test "text: one summary for each process that ended" {
	require_bpf
	"$MEMLEAK" --output "$report" -- "$PROGRAMS/forks" >"$out" 2>"$err"
	[ "$(grep -c "in use at exit:" "$report")" = 2 ]
	grep -qE 'in use at exit: 1,?936 bytes in 10 blocks' "$report"
	grep -qE 'in use at exit: 5,?129 bytes in 3 blocks' "$report"
}

@test "text: no colour and no escape sequences in a file" {
	require_bpf
	"$MEMLEAK" --output "$report" -- "$PROGRAMS/family" 2>"$err"
	run ! grep -q $'\033' "$report"
	"$MEMLEAK" --color=always --output "$report" -- "$PROGRAMS/family" 2>"$err"
	grep -q $'\033' "$report"
}

@test "-c splits words as a shell does, and starts none" {
	require_bpf
	"$MEMLEAK" --output /dev/null -c \
		"printf '<%s>' 'a b' \"c  d\" e\\ f '' \"it's\" 'say \"x\"' \$HOME * ~ a;b 'g'\"h\"" \
		>"$out" 2>"$err"
	[ "$(cat "$out")" = "<a b><c  d><e f><><it's><say \"x\"><\$HOME><*><~><a;b><gh>" ]
}

@test "-- takes the rest as it is" {
	require_bpf
	# shellcheck disable=SC2016 # that is the point
	"$MEMLEAK" --output /dev/null -- printf '<%s>' 'a b' -p 1 "" '$x' >"$out" 2>"$err"
	# shellcheck disable=SC2016
	[ "$(cat "$out")" = '<a b><-p><1><><$x>' ]
}

@test "the command's status is the tool's" {
	require_bpf
	for n in 0 1 2 3 42 127 255; do
		run -"$n" "$MEMLEAK" --output /dev/null -- /bin/sh -c "exit $n"
	done
	# Run in the background, this test ignores INT, and so would the command.
	for signal in INT KILL SEGV TERM; do
		run -"$((128 + $(kill -l $signal)))" env --default-signal=INT \
			"$MEMLEAK" --output /dev/null -- /bin/sh -c "kill -$signal \$\$"
	done
}

@test "the command has its own standard input, output and error" {
	require_bpf
	echo "through and through" |
		"$MEMLEAK" --output "$report" -- /bin/sh -c 'cat; echo to-stderr >&2' >"$out" 2>"$err"
	[ "$(cat "$out")" = "through and through" ]
	grep -q to-stderr "$err"
}

@test "the command inherits no open file of the tool" {
	require_bpf
	"$MEMLEAK" --output "$report" -- /bin/ls /proc/self/fd >"$out" 2>"$err" 3>&- 4>&- </dev/null
	# shellcheck disable=SC2217 # ls lists it
	/bin/ls /proc/self/fd 2>/dev/null 3>&- 4>&- </dev/null >"$BATS_TEST_TMPDIR/plain"
	diff "$BATS_TEST_TMPDIR/plain" "$out"
}

@test "the command has the blocked and ignored signals that it has without the tool" {
	local ignored
	require_bpf
	for ignored in '' 'HUP INT' 'PIPE CHLD QUIT'; do
		(
			# shellcheck disable=SC2086 # a list
			[ -z "$ignored" ] || trap '' $ignored
			"$MEMLEAK" --output "$report" -- /bin/grep -E '^Sig(Blk|Ign)' /proc/self/status \
				>"$out" 2>"$err"
			/bin/grep -E '^Sig(Blk|Ign)' /proc/self/status >"$BATS_TEST_TMPDIR/plain"
		)
		diff "$BATS_TEST_TMPDIR/plain" "$out"
	done
}

@test "-u runs the command as this user" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root, to become nobody"
	"$MEMLEAK" --output "$report" -u nobody -- /bin/sh -c 'id -un; id -Gn' >"$out" 2>"$err"
	[ "$(head -n 1 "$out")" = nobody ]
	[ "$(sed -n 2p "$out")" = "$(id -Gn nobody)" ]
}

@test "under sudo the command runs as the user behind it" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root, to become nobody"
	SUDO_USER=nobody SUDO_UID=$(id -u nobody) SUDO_GID=$(id -g nobody) \
		"$MEMLEAK" --output "$report" -- id -un >"$out" 2>"$err"
	[ "$(cat "$out")" = nobody ]
	SUDO_USER=nobody SUDO_UID=$(id -u nobody) SUDO_GID=$(id -g nobody) \
		"$MEMLEAK" --output "$report" -u root -- id -un >"$out" 2>"$err"
	[ "$(cat "$out")" = root ]
}

@test "-z and -Z: only these sizes count" {
	MIN=16 TOOL="-z 16" check sizes
	MAX=4096 TOOL="-Z 4096" check sizes
	MIN=100 MAX=65536 TOOL="-z 100 -Z 64K" check sizes
	MIN=1048576 MAX=3145728 TOOL="-z 1M -Z 3M" check sizes
	MIN=101 MAX=101 TOOL="-z 101 -Z 101" check sizes
}

@test "-z and realloc: a block that grows into the range counts from then on" {
	require_bpf
	TOOL="-z 300" profile family
	holds '[.processes[0].stacks[] | select(.frames[0].symbol == "leak_realloc")] |
		map([.blocks, .bytes]) == [[1, 307]]'
	compare sane "$report"
}

@test "-T: so many stacks, and the sums cover all" {
	require_bpf
	profile family
	all=$(jq -c '.processes[0] | [.allocs, .frees, .outstanding]' "$report")
	"$MEMLEAK" -f json --output "$report" -T 2 -- "$PROGRAMS/family" 2>"$err"
	holds '.processes[0].stacks | length == 2'
	holds ".processes[0] | [.allocs, .frees, .outstanding] == $all"
	COMPARE="--top 2" compare sane "$report"
	holds '.processes[0].stacks | map(.bytes) == [801, 701]'
}

@test "ten stacks without -T" {
	require_bpf
	"$MEMLEAK" -f json --output "$report" -- "$PROGRAMS/family" 2>"$err"
	COMPARE="--top 10" compare sane "$report"
	holds '.processes[0].stacks | length <= 10 and length >= 8'
}

@test "--sort" {
	require_bpf
	TOOL=--sort=bytes profile family
	holds '.processes[0].stacks | map(.bytes) | . == (sort | reverse)'
	TOOL=--sort=blocks profile call_sites
	holds '.processes[0].stacks | map(.blocks) | . == (sort | reverse) and .[0] == 6'
	TOOL=--sort=age profile service 0.2
	holds '.processes[0].stacks | map(.age_ms.oldest) | . == (sort | reverse)'
	TOOL=--sort=growth profile service 0.2
	holds '.processes[0].stacks | map(.growth_bytes_per_s) | . == (sort | reverse)'
}

@test "-a lists the blocks" {
	require_bpf
	TOOL=-a COMPARE=--show-allocs check family
	holds '[.processes[0].stacks[].allocs[] | .addr] | length == (unique | length)'
	holds '[.processes[0].stacks[].allocs[] | select(.addr | test("^0x[0-9a-f]+$") | not)] == []'
	TOOL=-a COMPARE=--show-allocs check maps_cut
	"$MEMLEAK" -a --show-leak-kinds=all --output "$report" -- "$PROGRAMS/malloc_one" 2>"$err"
	grep -qE '0x[0-9a-f]{6,}' "$report"
}

@test "without -a no blocks are listed" {
	check family
	holds '[.processes[0].stacks[] | has("allocs")] | any | not'
}

@test "-t: one line an event" {
	require_bpf
	"$MEMLEAK" -t -f json --output "$report" --top 100000 -- "$PROGRAMS/family" >"$out" 2>"$err"
	jq -c 'select(.event)' "$report" >"$BATS_TEST_TMPDIR/events"
	[ "$(jq -s 'map(select(.event == "alloc")) | length' "$BATS_TEST_TMPDIR/events")" = 19 ]
	[ "$(jq -s 'map(select(.event == "free")) | length' "$BATS_TEST_TMPDIR/events")" = 10 ]
	[ "$(jq -s 'map(select(.event == "alloc").bytes) | add' "$BATS_TEST_TMPDIR/events")" = \
		"$(jq -s '.[0].alloc_bytes' "$expect")" ]
	jq -c 'select(.schema)' "$report" >"$report.only"
	compare report "$report.only" "$expect"
	"$MEMLEAK" -t --output "$report" -- "$PROGRAMS/malloc_one" >"$out" 2>"$err"
	[ "$(grep -c 'alloc.*malloc_one+0x' "$report")" -ge 1 ]
}

@test "-o: periodic reports leave out what is younger, sums and the final report do not" {
	require_bpf
	start_pump
	start_tool -p "$target" -i 3600 -o 3600000
	ask_report
	tell mark "leak 5 50" "map 65536" truth
	ask_report
	holds '.processes[0] | .outstanding.blocks == 5 and .mmap.blocks == 1 and .stacks == []'
	end_tool
	compare report "$report" "$expect" --running
	tell "exit 0"
}

old_enough() {
	ask_report
	jq -se '.[-1].processes[0].stacks | length == 1 and .[0].blocks == 5' "$report" >/dev/null
}

@test "-o: a block shows once it is that old" {
	require_bpf
	start_pump
	start_tool -p "$target" -i 3600 -o 4000
	ask_report
	tell "leak 5 50"
	ask_report
	holds '.processes[0].stacks == []'
	wait_until 20 old_enough
	holds '.processes[0].stacks[0].age_ms | .oldest >= 4000 and .newest >= 4000'
	end_tool
	tell "exit 0"
}

@test "an interval and a count: so many reports, then it detaches" {
	require_bpf
	start_pump
	start_tool -p "$target" 1 2
	wait_for_tool
	[ "$status" = 0 ]
	compare sane "$report" --running
	holds '.final and .elapsed_s >= 1.9 and .elapsed_s < 10'
	[ "$(nr_reports)" -ge 2 ]
	[ "$(nr_reports)" -le 3 ]
	unharmed "$target"
	tell "exit 0"
}

@test "growth: bytes a second between two reports" {
	require_bpf
	start_pump
	start_tool -p "$target" -i 3600 -o 0
	ask_report
	tell "leak 100 1000"
	ask_report
	holds '.processes[0].stacks[0].growth_bytes_per_s > 0'
	tell "free 50"
	ask_report
	holds '.processes[0].stacks[0].growth_bytes_per_s < 0'
	end_tool
	tell "exit 0"
}

@test "peak: most bytes outstanding at once" {
	require_bpf
	profile realloc_moves
	holds '.processes[0].peak | .bytes >= 1048576 + 24 * 17 and .at_s >= 0'
	start_pump
	start_tool -p "$target"
	ask_report
	tell "leak 10 1000" "free 10" "leak 2 100"
	end_tool
	holds '.processes[0].peak.bytes == 10000'
	tell "exit 0"
}

@test "--output: a new file takes the place of the old" {
	require_bpf
	echo "what was here before, a long line that must not stay" >"$report"
	"$MEMLEAK" -f json --output "$report" -- "$PROGRAMS/nothing" 2>"$err"
	[ "$(jq -s length "$report")" = 1 ]
	compare sane "$report"
}

@test "a closed pipe ends the tool quietly" {
	require_bpf
	start_pump
	"$MEMLEAK" -f json -p "$target" -i 1 2>"$err" 3>&- 4>&- | head -n 1 >"$report"
	[ "${PIPESTATUS[0]}" = 0 ]
	[ "$(jq -s length "$report")" = 1 ]
	run ! grep -qiE 'pipe|error|fail' "$err"
	unharmed "$target"
	tell "leak 1 1" "exit 0"
}

@test "-q says nothing" {
	require_bpf
	"$MEMLEAK" -q --output "$report" -- "$PROGRAMS/family" >"$out" 2>"$err"
	[ ! -s "$err" ]
	[ ! -s "$out" ]
}

@test "--max-blocks: what does not fit is counted as lost" {
	require_bpf
	start_pump
	start_tool -p "$target" --max-blocks 100
	ask_report
	tell "leak 1000 10"
	end_tool
	[ "$status" = 0 ]
	holds '.losses.blocks >= 800'
	holds '.processes[0] | .allocs - .frees == .outstanding.blocks'
	tell "exit 0"
	"$MEMLEAK" --max-blocks 100 --output "$report" -- "$PROGRAMS/sizes" 2>"$err"
	run ! grep -q -- --max-blocks "$report"
}

@test "--max-blocks: there is room for as many, wherever they lie and whatever they are" {
	local n
	require_bpf
	for n in 300 1000 4000; do
		"$MEMLEAK" -f json --max-blocks "$n" --output "$report" --leak-check=no -- \
			"$PROGRAMS/many" "$n" 1 </dev/null
		holds '.losses.blocks == 0'
		holds ".processes[0].outstanding.blocks == $n"
	done
	start_pump
	start_tool -p "$target" --max-blocks 1000 --alloc-fn malloc:family=ours --free-fn free:family=ours
	ask_report
	tell "leak 1000 10"
	end_tool
	[ "$status" = 0 ]
	holds '.losses.blocks == 0'
	holds '.processes[0].outstanding.blocks == 1000'
	tell "exit 0"
}

@test "--max-blocks: what stands for many takes the room of one" {
	require_bpf
	require_program drawn
	"$MEMLEAK" -f json --output "$report" --leak-check=no -- "$PROGRAMS/drawn"
	holds '.losses.blocks == 0'
	holds '.processes[0].outstanding.blocks == 10000100'
}

@test "a text report names the option that raises a limit" {
	require_bpf
	"$MEMLEAK" --stack-depth 20 --output "$report" -- "$PROGRAMS/deep" 2>"$err"
	grep -q -- --stack-depth "$report"
}

# trend FUNCTION: what the last report says of its blocks.
trend() {
	jq -r -s --arg function "$1" '.[-1].processes[0].stacks[] |
		select(.frames[0].symbol == $function) | .trend.kind' "$report"
}

says_trends() {
	[ "$(trend trends_lose)" = grows ] && [ "$(trend trends_cache)" = turns_over ] &&
		[ "$(trend trends_table)" = unchanged ]
}

@test "what grows steadily is told from a cache and from what stopped to grow" {
	require_bpf
	open_pump
	"$PROGRAMS/trends" <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	target=$!
	start_tool -p "$target" -o 0 -w "$BATS_TEST_TMPDIR/p.json" -w "$BATS_TEST_TMPDIR/p.pb.gz" 0.3
	wait_until 20 has_reports 1
	echo >&"$pump_fd"
	wait_until 30 says_trends
	# It stays so, and the words go with it.
	wait_until 30 has_reports $(($(nr_reports) + 3))
	says_trends
	jq -e -s '.[-1].processes[0].stacks[] | select(.frames[0].symbol == "trends_lose") | .trend |
		(.hint | test("^grows steadily, nothing freed since [0-9:]+; [0-9]+ age generations? alive$")) and
		(.since | test("^20")) and .generations >= 2' "$report"
	! grep -qi '"hint":"[^"]*leak' "$report" || false
	end_tool
	[ "$status" -eq 0 ]
	"$MEMLEAK" report "$BATS_TEST_TMPDIR/p.pb.gz" >"$out"
	grep -q '^      grows steadily, nothing freed since [0-9:]*; [0-9]* age generations alive$' "$out"
	grep -q '^      as many blocks go as come; ' "$out"
	grep -q '^      the same blocks since [0-9:]*; ' "$out"
	"$MEMLEAK" report -f json "$BATS_TEST_TMPDIR/p.pb.gz" | jq -c '[.processes[].stacks[].trend]' >"$out"
	jq -c '[.processes[].stacks[].trend]' "$BATS_TEST_TMPDIR/p.json" | diff - "$out"
	kill "$target"
}
