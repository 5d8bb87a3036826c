#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# The tool as a program like others: it loses no memory, by its own account and by Valgrind's.

load helper

# What remains at its end is libc's: time zones, the stack of a thread.
@test "the tool run on itself loses nothing" {
	require_bpf
	EXPECT='' TOOL=--no-follow profile "$MEMLEAK" -f json --output /dev/null --resource files,dirs \
		--alloc-fn malloc_one:family=ours --free-fn nobody -- "$PROGRAMS/resources"
	[ "$status" = 0 ]
	compare sane "$report" --outer=any
	holds '.processes[0].comm == "memleak-bpf" and .processes[0].allocs > 1000'
	holds '[.processes[0].stacks[] | select(.family == "malloc") |
		select(.frames[0].module | test("/(libc|ld)[^/]*[.]so") | not)] == []'
}

# without_leaks ARGUMENT...: Valgrind finds that all is freed, down to what can still be reached. It
# cannot run what starts the helper.
without_leaks() {
	require_command valgrind
	status=0
	valgrind -q --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all \
		--error-exitcode=9 "$MEMLEAK" "$@" >"$out" 2>"$err" \
		</dev/null 3>&- 4>&- || status=$?
	[ "$status" = 0 ] || {
		grep -v WARNING "$err"
		return 1
	}
}

@test "Valgrind finds no leak in report and diff" {
	local saved=$BATS_TEST_TMPDIR/run.pb.gz
	require_bpf
	"$MEMLEAK" -q --output /dev/null -w "$saved" -- "$PROGRAMS/churn" 5 100
	for format in text json folded; do
		without_leaks report -f "$format" "$saved"
		[ -s "$out" ]
	done
	without_leaks diff "$saved" "$saved"
}

# Newer kernels look at more: on 7.3 three to four times what 6.18 does, and a million is the end there.
@test "the verifier comes to an end on newer kernels, too" {
	local most
	require_bpf
	for options in "" "--alloc-fn=strdup:family=ours --free-fn=nobody"; do
		TOOL="--preload $options" EXPECT='' profile sh -c "cat /proc/\$PPID/fdinfo/*"
		most=$(sed -n 's/^verified_insns:[[:space:]]*//p' "$out" | sort -n | tail -n 1)
		echo "$options: $most instructions"
		[ -n "$most" ] && [ "$most" -gt 0 ] && [ "$most" -lt 100000 ]
	done
}
