#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# libmemleak.so: what only it can do wrong; whom it steps aside for; sites of others. That its answers are
# the same, preload_*.bats show.

load helper

HOOK=$ROOT/libmemleak.so

# by_sites LIBRARY: the last run was told by the sites of this library.
by_sites() {
	grep -q "attached to the sites of .*/$1" "$err" || {
		cat "$err"
		return 1
	}
}

# by_uprobes WHY: the last run fell back, and said why (an extended regular expression).
by_uprobes() {
	if grep -q "attached to the sites" "$err" || ! grep -qE -- "$1" "$err"; then
		cat "$err"
		return 1
	fi
}

preload() {
	TOOL="-v --preload ${TOOL:-}" check "$@"
}

@test "the program's allocations are told by sites" {
	preload family
	by_sites libmemleak.so
}
@test "musl has a library of its own" {
	[ -e "$ROOT/libmemleak-musl.so" ] || skip "musl-gcc is not installed"
	COMPARE="--outer=main --allow=broken_stacks" preload family_musl
	by_sites libmemleak-musl.so
}
@test "a child of a program that somebody had been attached to can be attached to" {
	local script parent child
	require_bpf
	require_plain
	script='import ctypes, os, signal, sys
libc = ctypes.CDLL(None)
def leak(*_):
    for i in range(10):
        libc.malloc(777)
    print("ok", flush=True)
signal.signal(signal.SIGUSR2, leak)
for line in sys.stdin:
    if line == "leak\n":
        leak()
    elif not (child := os.fork()):
        while True:
            signal.pause()
    else:
        print(child, flush=True)'
	open_pump
	LD_PRELOAD=$HOOK "$PYTHON" -c "$script" <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	parent=$!
	tell leak
	start_tool -p "$parent" -o 0 -i 3600
	ask_report
	tell leak
	end_tool
	holds '[.processes[0].stacks[] | select(.bytes == 7770)] | length == 1'
	tell fork
	child=$(tail -n 1 "$answers")
	start_tool -p "$child" -o 0 -i 3600
	ask_report
	kill -USR2 "$child"
	asked=$((asked + 1))
	wait_until 20 answered
	end_tool
	holds '[.processes[0].stacks[] | select(.bytes == 7770)] | length == 1'
	kill "$child" "$parent"
	wait_until 10 gone "$child"
}
@test "nobody stays with the program: nothing is late, whatever is mapped before its libraries" {
	local program
	require_bpf
	# Whoever is met late is so only if it still runs then, as one does that waits for children.
	for program in forks_musl forks_musl forks_musl forks_musl own_malloc; do
		[ -e "$PROGRAMS/$program" ] || continue
		TOOL="--preload --no-follow --leak-check=no" profile "$program"
		[ "$status" -eq 0 ]
		holds '.losses.late == 0'
	done
}
@test "every kind of link" {
	TOOL=--preload check_links family
	TOOL=--preload check_links new_delete
}
@test "a script's interpreter is what counts" {
	local script=$BATS_TEST_TMPDIR/script
	printf '#!/bin/sh\nexec %s\n' "$PROGRAMS/malloc_one" >"$script"
	chmod +x "$script"
	preload env "$script"
	by_sites libmemleak.so
}
@test "with an allocator of the user's behind it" {
	preload env LD_PRELOAD="$HOOK:$PROGRAMS/libbump.so" "$PROGRAMS/family"
	by_sites libmemleak.so
}

@test "--no-sites: the library is an allocator that hands on" {
	TOOL="-v --no-sites" check env LD_PRELOAD="$HOOK" "$PROGRAMS/family"
	by_uprobes "probed [1-9][0-9]* functions of .*/libmemleak.so"
}

@test "attached to later, by -p; detached, it runs on and tells nothing" {
	require_bpf
	open_pump
	LD_PRELOAD=$HOOK "$PROGRAMS/pump" <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	target=$!
	tell "leak 3 100"
	start_tool -v -p "$target" -o 0
	ask_report
	tell "leak 5 1000"
	ask_report
	by_sites libmemleak.so
	holds '.processes[0].outstanding == {"blocks": 5, "bytes": 5000}'
	holds '.losses | add == 0'
	end_tool
	tell "leak 5 1000"
	unharmed "$target"
	start_tool -v -p "$target" -o 0
	ask_report
	tell "leak 2 30"
	ask_report
	holds '.processes[0].outstanding == {"blocks": 2, "bytes": 60}'
	end_tool
	kill "$target"
}

# A block of 10,000 bytes has one chance in ten; of four only one in ten thousand times all.
@test "what went by unheard does not bring the next sample nearer" {
	local n sampled=0
	require_bpf
	open_pump
	MEMLEAK_SAMPLE_BYTES=100000 LD_PRELOAD=$HOOK "$PROGRAMS/pump" <&"$pump_fd" >"$answers" 2>&1 3>&- 4>&- &
	target=$!
	tell "leak 1 1"
	for n in 0 1 2 3 4; do
		start_tool -p "$target" -o 0 --sample-bytes 100000
		ask_report
		tell "leak 1 10000"
		ask_report
		end_tool
		if [ "$n" != 0 ] && jq -se '.[-1].processes[0].stacks[] | select(.bytes > 9000)' "$report"; then
			sampled=$((sampled + 1))
		fi
		tell "leak 3000 9000"
	done
	kill "$target"
	[ "$sampled" -lt 4 ]
}

@test "a child that nobody follows runs on, and is not counted" {
	require_bpf
	TOOL="-v --preload --no-follow" profile forks
	[ "$status" -eq 0 ]
	by_sites libmemleak.so
	holds '.processes | length == 1'
}

# soak PAIRS: what it kept is what is outstanding, nothing was lost; its allocations go into $allocs.
soak() {
	TOOL="--preload --leak-check=no --no-follow ${OPTIONS:-}" profile pairs "$1"
	[ "$status" -eq 0 ]
	holds '.losses | add == 0'
	[ "$(jq -s '.[-1].processes[0].stacks | map(select(.frames[0].symbol == "keep")) |
		[(map(.blocks) | add), (map(.bytes) | add)]' "$report" | jq -c .)" = \
		"$(jq -c '[.kept, .bytes]' "$out")" ]
	holds '.processes[0] | .allocs - .frees == .outstanding.blocks'
	allocs=$(jq -s '.[-1].processes[0].allocs' "$report")
}

# SOAK=5120000 is the long form; a multiple of 128000.
@test "64 threads, forks, dlclose: no call is missed and none told twice" {
	local few
	require_bpf
	soak 64000
	few=$allocs
	soak $((64000 + ${SOAK:-128000}))
	# One in 16 is reallocated, one in 1000 kept: with 64 threads these are whole numbers.
	[ $((allocs - few)) -eq $((${SOAK:-128000} / 64 * 64 + ${SOAK:-128000} / 16 + ${SOAK:-128000} / 1000)) ] || {
		echo "$allocs - $few"
		return 1
	}
}
@test "64 threads, forks, dlclose, sampled: as many as there should be" {
	require_bpf
	OPTIONS="--sample-bytes 4K" TOOL="--preload --leak-check=no --no-follow --sample-bytes 4K" \
		profile pairs "${SOAK:-640000}"
	[ "$status" -eq 0 ]
	holds '.losses | add == 0'
	# Within five standard errors, as the report states them.
	kept=$(jq .bytes "$out")
	holds "[.processes[0].stacks[] | select(.frames[0].symbol == \"keep\")] |
		(map(.bytes) | add - $kept) / (map(.standard_error.bytes * .standard_error.bytes) |
		add | sqrt) | fabs < 5"
	holds '.processes[0].allocs > 600000'
}

# Within five standard errors, as the report states them.
@test "every kind of block, sampled, beside calls that fail, with its family" {
	require_bpf
	TOOL="--preload --leak-check=no --sample-bytes 16K" profile sampled_kinds
	[ "$status" -eq 0 ]
	holds '.losses | add == 0'
	holds "$(jq -c . "$out") as \$kept | .processes[0].stacks as \$stacks | \$kept | to_entries | all(. as \$k |
		\$stacks | map(select(.frames[0].symbol == \$k.key)) | length > 0 and
		all(.family == \$k.value[0]) and (((map(.bytes) | add) - \$k.value[1]) /
		(map(.standard_error.bytes * .standard_error.bytes) | add | sqrt) | fabs < 5))"
}
# A block of 693 bytes has one chance in two; 200 of them within six standard deviations.
@test "children draw for themselves, whatever their parent has drawn" {
	require_bpf
	TOOL="--preload --leak-check=no --sample-bytes 1000" profile forked_draws 200 693
	[ "$status" -eq 0 ]
	holds '[.processes[].stacks[] | select(.frames[1].symbol == "main" and .family == "malloc" and .bytes > 1)] |
		length > 58 and length < 142'
}

@test "operators of the library can be probed as any others" {
	LD_PRELOAD=$HOOK TOOL="-v --no-sites --leak-check=no" profile sampled_kinds
	[ "$status" -eq 0 ]
	by_uprobes "probed 34 functions of .*/libmemleak.so"
	! grep "cannot be seen" "$err"
	holds "$(jq -c . "$out") as \$kept | [.processes[0].stacks[] | select(.bytes == 9600000)] | length == (\$kept | length)"
}

# A link that is made anew is closed first, for which the program waits.
@test "the loader of a program that execs is probed once" {
	require_bpf
	TOOL="-v --preload --leak-check no" profile /bin/sh -c '/bin/true; /bin/true; :'
	[ "$status" = 0 ]
	by_sites libmemleak.so
	[ "$(grep -c 'probed .* functions of .*/ld-' "$err")" = 3 ]
}

@test "a program that brings its own malloc keeps its probes" {
	preload own_malloc
}

@test "static programs, and why" {
	preload family_static
	by_uprobes "linked statically"
}
@test "setuid programs, and why" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "not root"
	public=$(mktemp -d /tmp/memleak-test.XXXXXX)
	chmod 755 "$public"
	cp /bin/true "$public/true"
	chown nobody "$public/true"
	chmod u+s "$public/true"
	[ -z "$(findmnt -no OPTIONS -T "$public" | grep -w nosuid)" ] || skip "/tmp is mounted nosuid"
	TOOL="-v --preload" profile "$public/true"
	[ "$status" -eq 0 ]
	by_uprobes "gains rights"
}
@test "a program with AddressSanitizer, and why" {
	require_bpf
	echo 'int main(void) { return !__builtin_malloc(10); }' |
		gcc -x c -fsanitize=address -o "$BATS_TEST_TMPDIR/asan" - 2>/dev/null ||
		skip "gcc has no AddressSanitizer"
	ASAN_OPTIONS=detect_leaks=0 TOOL="-v --preload" profile "$BATS_TEST_TMPDIR/asan"
	[ "$status" -eq 0 ]
	by_uprobes "built with a sanitizer"
	# As a child of what was preloaded it starts all the same, and the library says so itself.
	ASAN_OPTIONS=detect_leaks=0 TOOL="-v --preload" profile env "$BATS_TEST_TMPDIR/asan"
	[ "$status" -eq 0 ]
	grep -q "has a sanitizer.*stepping aside" "$err"
}
@test "under Valgrind it steps aside, and says so" {
	require_command valgrind
	LD_PRELOAD=$HOOK valgrind --leak-check=full "$PROGRAMS/malloc_one" >"$out" 2>"$err"
	grep -q "runs under Valgrind.*stepping aside" "$err"
	grep -q "total heap usage: 1 allocs" "$err"
}

@test "sites of another library, arguments in registers" {
	require_program libbump_sites.so
	TOOL=-v check env LD_PRELOAD="$PROGRAMS/libbump_sites.so" "$PROGRAMS/family"
	by_sites libbump_sites.so
}
@test "sites of another library, arguments in memory" {
	require_program libbump_sites.so
	TOOL=-v check env LD_PRELOAD="$PROGRAMS/libbump_sites_O0.so" "$PROGRAMS/family"
	by_sites libbump_sites_O0.so
}
@test "sites of another library, every kind of link" {
	require_program libbump_sites.so
	check_links env LD_PRELOAD="$PROGRAMS/libbump_sites.so" "$PROGRAMS/realloc_moves"
}
