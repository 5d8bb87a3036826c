#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# Saved profiles: what was written is what was shown; report, diff and go's pprof read it.

load helper

# save [OPTION...] -- COMMAND...: a run that leaves saved.pb.gz and, from the same moment, the reports
# text, saved.json, saved.folded, saved.svg and saved.html.
save() {
	dir=$BATS_TEST_TMPDIR
	status=0
	"$MEMLEAK" -w "$dir/saved.pb.gz" -w "$dir/saved.json" -w "$dir/saved.folded" \
		-w "$dir/saved.svg" -w "$dir/saved.html" --output "$dir/text" -i 3600 "$@" >"$out" 2>"$err" </dev/null 3>&- 4>&- || status=$?
	report=$dir/saved.json
}

# Every form of the saved profile is that of the run.
same() {
	[ "$status" = 0 ]
	"$MEMLEAK" report "$@" "$dir/saved.pb.gz" | diff "$dir/text" -
	"$MEMLEAK" report -f json --top 1000000 "$@" "$dir/saved.pb.gz" | cmp "$dir/saved.json" -
	"$MEMLEAK" report -f folded "$dir/saved.pb.gz" | cmp "$dir/saved.folded" -
	"$MEMLEAK" report -w "$dir/again.svg" -w "$dir/again.html" "$dir/saved.pb.gz" >/dev/null
	cmp "$dir/saved.svg" "$dir/again.svg"
	cmp "$dir/saved.html" "$dir/again.html"
	[ -n "${estimated:-}" ] || compare sane "$dir/saved.json"
	holds '([.processes[].outstanding.bytes] | add) == ([.processes[].stacks[] |
		select(.family != "mmap").bytes] | add // 0)'
	[ "$(awk '{ sum += $NF } END { print sum + 0 }' "$dir/saved.folded")" = \
		"$(jq '[.processes[].outstanding.bytes] | add' "$dir/saved.json")" ]
}

# go_pprof ARG...: pprof's own program, as far as it is here.
go_pprof() {
	HOME=$BATS_TEST_TMPDIR PPROF_TMPDIR=$BATS_TEST_TMPDIR go tool pprof "$@" 2>"$err.go"
}

require_go() {
	require_command go
	go tool -n pprof >/dev/null 2>&1 || skip "go has no pprof here"
}

@test "C: what was saved prints what the run printed, and what the program says of itself" {
	require_bpf
	save -- "$PROGRAMS/family"
	same
	compare report "$report" "$expect"
}

@test "C++, sqlite3 and python3" {
	require_bpf
	require_command sqlite3
	save -- "$PROGRAMS/containers"
	same
	save -- sqlite3 :memory: 'create table t(a); insert into t values(1); select * from t;'
	same
	PYTHONMALLOC=malloc save -- "$PYTHON" -c \
		'import os; x = [str(i) for i in range(500)]; os._exit(0)'
	same
	holds '.processes[0].stacks | length > 100'
}

@test "several processes, mappings, blocks, estimates" {
	require_bpf
	save -a -- "$PROGRAMS/forks"
	same -a
	holds '.processes | length == 2'
	save --follow -- /bin/sh -c "$PROGRAMS/family; $PROGRAMS/maps_cut; true"
	same
	holds '.processes | length == 3'
	holds '[.processes[].mmap.bytes] | add > 0'
	estimated=1
	save -s 3 -- "$PROGRAMS/call_sites"
	same
}

@test "alloc_* count what was freed too, by stack" {
	require_bpf
	require_go
	save -- "$PROGRAMS/family"
	allocs=$(jq '.processes[0].allocs' "$report")
	bytes=$(jq '.processes[0].alloc_bytes' "$report")
	go_pprof -raw "$dir/saved.pb.gz" >"$dir/raw"
	[ "$(awk '/^Locations/ { exit } samples && $3 ~ /^[0-9]+$/ && $4 ~ /^[0-9]+:$/ { n += $3 }
		/^Samples/ { samples = 1 } END { print n }' "$dir/raw")" = "$allocs" ]
	[ "$(awk '/^Locations/ { exit } samples && $4 ~ /^[0-9]+:$/ { n += $4 }
		/^Samples/ { samples = 1 } END { print n }' "$dir/raw")" = "$bytes" ]
	[ "$allocs" -gt "$(jq '.processes[0].outstanding.blocks' "$report")" ]
}

@test "alloc_*: images that end and are replaced leave the table" {
	require_bpf
	# 40 processes one after the other, with a table that holds the sites of few.
	save --max-stacks 100 -i 0.05 -- /bin/sh -c \
		"for i in \$(seq 40); do $PROGRAMS/family; done; exec $PROGRAMS/family" 2>/dev/null
	[ "$status" = 0 ]
	holds '.losses.sites == 0 and .losses.stacks == 0'
	holds '[.processes[] | select(.comm == "family")] | length == 41'
}

@test "alloc_*: a full table is a loss, and said" {
	require_bpf
	save --max-stacks 1 -- "$PROGRAMS/family"
	holds '.losses.stacks > 0'
	"$MEMLEAK" report "$dir/saved.pb.gz" | grep -q -- --max-stacks
}

@test "go tool pprof: -top, -raw, -diff_base" {
	require_bpf
	require_go
	save -- "$PROGRAMS/family"
	go_pprof -top "$dir/saved.pb.gz" >"$out"
	grep -q '^Type: inuse_space' "$out"
	grep -qE ' leak_valloc' "$out"
	grep -qE "of $(jq '.processes[0].outstanding.bytes' "$report")B total" "$out"
	go_pprof -sample_index=alloc_objects -top "$dir/saved.pb.gz" >"$out"
	grep -qE "of $(jq '.processes[0].allocs' "$report") total" "$out"
	go_pprof -raw "$dir/saved.pb.gz" >"$out"
	grep -q "inuse_objects/count inuse_space/bytes.* alloc_objects/count alloc_space/bytes" "$out"
	grep -qE "pid:\[$(jq '.processes[0].pid' "$report")\]" "$out"
	grep -q 'family:\[malloc\]' "$out"
	cp "$dir/saved.pb.gz" "$dir/base.pb.gz"
	save -- "$PROGRAMS/family"
	go_pprof -top -diff_base "$dir/base.pb.gz" "$dir/saved.pb.gz" >"$out"
	grep -qE '^Showing nodes accounting for 0, 0% of' "$out"
	# What go writes is read again.
	go_pprof -proto -output "$dir/go.pb.gz" "$dir/saved.pb.gz" >/dev/null
	"$MEMLEAK" report -f json --top 100 "$dir/go.pb.gz" >"$report"
	holds '.processes[0] | .outstanding.bytes == ([.stacks[].bytes] | add)'
}

@test "a profile that go wrote" {
	require_go
	mkdir "$BATS_TEST_TMPDIR/go"
	cat >"$BATS_TEST_TMPDIR/go/main.go" <<-'END'
		package main

		import ("os"; "runtime"; "runtime/pprof")

		var kept [][]byte

		//go:noinline
		func leak() { kept = append(kept, make([]byte, 1000000)) }

		func main() {
			runtime.MemProfileRate = 1
			for i := 0; i < 10; i++ { leak() }
			runtime.GC()
			pprof.WriteHeapProfile(os.Stdout)
			runtime.KeepAlive(kept)
		}
	END
	(cd "$BATS_TEST_TMPDIR/go" && HOME=$PWD GOFLAGS=-mod=mod GO111MODULE=off GOCACHE=$PWD/cache \
		go run main.go >heap.pb.gz)
	"$MEMLEAK" report -f json "$BATS_TEST_TMPDIR/go/heap.pb.gz" >"$report"
	holds '.processes[0].stacks[0] | .bytes > 10000000 and .blocks == 10 and
		.frames[0].symbol == "main.leak"'
	"$MEMLEAK" report "$BATS_TEST_TMPDIR/go/heap.pb.gz" | grep -q 'main\.leak'
	rm -rf "$BATS_TEST_TMPDIR/go"
}

@test "diff: nothing between two runs, and what grew in the second one" {
	require_bpf
	start_pump
	dir=$BATS_TEST_TMPDIR
	start_tool -p "$target" -i 3600 -w "$dir/saved.pb.gz"
	ask_report
	tell "leak 10 1000"
	ask_report
	cp "$dir/saved.pb.gz" "$dir/base.pb.gz"
	tell "leak 7 1000"
	end_tool
	tell "exit 0"
	"$MEMLEAK" diff -f json "$dir/base.pb.gz" "$dir/saved.pb.gz" >"$report"
	holds '.schema == "memleak-bpf/1" and .diff'
	holds '.processes[0].outstanding == {"blocks": 7, "bytes": 7000}'
	holds '.processes[0].stacks | map([.blocks, .bytes]) == [[7, 7000]]'
	"$MEMLEAK" diff "$dir/base.pb.gz" "$dir/saved.pb.gz" | grep -q '+7,000 B in +7 blocks'
	[ "$("$MEMLEAK" diff -f folded "$dir/base.pb.gz" "$dir/saved.pb.gz" | awk '{ print $NF }' |
		head -n 1)" = 7000 ]
	# The other way round it has shrunk, and may be saved.
	"$MEMLEAK" diff -f json -w "$dir/diff.pb.gz" "$dir/saved.pb.gz" "$dir/base.pb.gz" >"$report"
	holds '.processes[0].stacks | map([.blocks, .bytes]) == [[-7, -7000]]'
	"$MEMLEAK" report -f json "$dir/diff.pb.gz" | cmp "$report" -
	"$MEMLEAK" diff -f json "$dir/base.pb.gz" "$dir/base.pb.gz" >"$report"
	holds '.processes[0].stacks == []'
	"$MEMLEAK" diff "$dir/base.pb.gz" "$dir/base.pb.gz" | grep -q 'No stack has changed'
}

@test "diff: a program that was restarted compares with itself" {
	require_bpf
	save -- "$PROGRAMS/family"
	cp "$dir/saved.pb.gz" "$dir/base.pb.gz"
	save -- "$PROGRAMS/family"
	"$MEMLEAK" diff -f json "$dir/base.pb.gz" "$dir/saved.pb.gz" >"$report"
	holds '.processes[0].stacks == []'
}

@test "diff: a program that was built anew is matched by the names of its functions" {
	require_bpf
	require_command cc
	dir=$BATS_TEST_TMPDIR
	cat >"$dir/app.c" <<-'END'
		#include <stdlib.h>
		void *kept[100];
		#ifdef SECOND
		int other(int x) { return x * 3; }
		#endif
		__attribute__((noinline)) void leak(int i) { kept[i] = malloc(100); }
		int main(void) { for (int i = 0; i < N; i++) leak(i); return 0; }
	END
	cc -g -O1 -Wl,--build-id -DN=10 -o "$dir/app" "$dir/app.c"
	save -- "$dir/app"
	cp "$dir/saved.pb.gz" "$dir/base.pb.gz"
	cc -g -O1 -Wl,--build-id -DN=15 -DSECOND -o "$dir/app" "$dir/app.c"
	save -- "$dir/app"
	"$MEMLEAK" diff -f json "$dir/base.pb.gz" "$dir/saved.pb.gz" >"$report"
	holds '.processes[0].stacks | map([.blocks, .bytes, .frames[0].symbol]) == [[5, 500, "leak"]]'
}

@test "--focus and --ignore, in a run and in a report" {
	require_bpf
	save --focus 'leak_v?alloc|leak_memalign' --ignore memalign -f json -- "$PROGRAMS/family"
	report=$dir/text
	holds '.processes[0].stacks | map(.frames[0].symbol) == ["leak_valloc"]'
	holds '.processes[0].outstanding.bytes == 3659'
	"$MEMLEAK" report -f json --focus 'leak_v?alloc|leak_memalign' --ignore memalign \
		"$dir/saved.pb.gz" | cmp "$report" -
	report=$dir/saved.json
	holds '.processes[0].stacks | length == 9' # files hold every stack
	"$MEMLEAK" report --focus 'family\.c' -f folded "$dir/saved.pb.gz" | cmp "$dir/saved.folded" -
	[ -z "$("$MEMLEAK" report --ignore 'lib/.*libc\.so' -f folded "$dir/saved.pb.gz")" ]
}

# Both are written while the program waits: its numbers are of one moment.
@test "SIGUSR1 writes the files too" {
	require_bpf
	start_pump
	start_tool -p "$target" -i 3600 -o 3600000 -w "$BATS_TEST_TMPDIR/now.pb.gz" \
		-w "$BATS_TEST_TMPDIR/now.json"
	ask_report
	tell "leak 5 50"
	ask_report
	holds '.processes[0].stacks == []' # too young for a report
	cp "$report" "$BATS_TEST_TMPDIR/kept"
	report=$BATS_TEST_TMPDIR/now.json
	holds '.processes[0].stacks | map([.blocks, .bytes]) == [[5, 250]]'
	holds '.final | not'
	"$MEMLEAK" report -f json "$BATS_TEST_TMPDIR/now.pb.gz" | cmp "$report" -
	tell "leak 1 1"
	end_tool
	[ "$status" = 0 ]
	holds '.processes[0].outstanding == {"blocks": 6, "bytes": 251} and .final'
	tell "exit 0"
}

@test "a file that cannot be written" {
	require_bpf
	dir=$BATS_TEST_TMPDIR
	refused 1 "nowhere" -w /nowhere/x.pb.gz -- true
	mkdir "$dir/d.json"
	refused 1 "directory" -w "$dir/d.json" -- true
	mkfifo "$dir/f.json"
	refused 1 "regular" -w "$dir/f.json" -- true
	save -- "$PROGRAMS/family"
	cp "$dir/saved.json" "$dir/before"
	# No room: what was there stays, and nothing else is left.
	(
		ulimit -f 1
		refused 1 "saved.json.*(large|space)" report -w "$dir/saved.json" "$dir/saved.pb.gz"
	)
	cmp "$dir/before" "$dir/saved.json"
	[ -z "$(find "$dir" -name '.memleak-bpf-*')" ]
	status=0
	(
		ulimit -f 100
		PYTHONMALLOC=malloc "$MEMLEAK" -w "$dir/saved.json" --output /dev/null -- \
			"$PYTHON" -c 'import os; os._exit(0)' 2>"$err"
	) || status=$?
	[ "$status" = 1 ]
	grep -q "cannot write '.*saved.json'" "$err"
	cmp "$dir/before" "$dir/saved.json"
}

@test "a disk that is full" {
	require_bpf
	dir=$BATS_TEST_TMPDIR
	save -- "$PROGRAMS/family"
	mkdir "$dir/disk"
	mount -t tmpfs -o size=8k none "$dir/disk" 2>/dev/null || skip "no tmpfs can be mounted"
	failed=
	refused 1 "saved.json.*space" report -w "$dir/disk/saved.json" "$dir/saved.pb.gz" || failed=1
	find "$dir/disk" -type f >"$dir/left"
	umount "$dir/disk"
	[ -z "$failed" ]
	[ ! -s "$dir/left" ]
}

@test "what is no profile" {
	dir=$BATS_TEST_TMPDIR
	mkfifo "$dir/fifo"
	: >"$dir/empty"
	head -c 5000 /dev/urandom >"$dir/noise"
	gzip -c "$dir/noise" >"$dir/noise.pb.gz"
	# A bomb: a hundred megabytes in a tenth of one.
	head -c 100000000 /dev/zero | gzip >"$dir/bomb.pb.gz"
	refused 1 "not a regular file" report "$dir/fifo"
	refused 1 "not a regular file" report /dev/zero
	refused 1 "not a regular file" report "$dir"
	refused 1 "no such file" report "$dir/nothing"
	refused 1 "not a profile" report "$dir/empty"
	refused 1 "not a profile" report "$dir/noise"
	refused 1 "not a profile" report "$dir/noise.pb.gz"
	refused 1 "not a profile" report "$MEMLEAK"
	refused 1 "unpacks to more" report "$dir/bomb.pb.gz"
	refused 1 "not a profile" diff "$dir/empty" "$dir/noise"
}

@test "a profile that is cut off or damaged" {
	require_bpf
	save -- "$PROGRAMS/family"
	size=$(stat -c %s "$dir/saved.pb.gz")
	for n in 1 10 100 $((size / 2)) $((size - 1)); do
		head -c "$n" "$dir/saved.pb.gz" >"$dir/cut.pb.gz"
		refused 1 "not a profile" report "$dir/cut.pb.gz"
	done
	gzip -dc "$dir/saved.pb.gz" | head -c 300 | gzip -c >"$dir/cut.pb.gz"
	refused 1 "not a profile" report "$dir/cut.pb.gz"
}

@test "report and diff need no privilege" {
	require_bpf
	[ "$(id -u)" = 0 ] || skip "needs root, to become nobody"
	require_command setpriv
	save -- "$PROGRAMS/family"
	chmod 755 "$dir"
	chmod 644 "$dir/saved.pb.gz"
	public=$(mktemp -d)
	chmod 755 "$public"
	cp "$MEMLEAK" "$public/memleak-bpf"
	cp "$dir/saved.pb.gz" "$public"
	setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all \
		"$public/memleak-bpf" report "$public/saved.pb.gz" | diff "$dir/text" -
	setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all \
		"$public/memleak-bpf" diff "$public/saved.pb.gz" "$public/saved.pb.gz" |
		grep -q 'No stack has changed'
}

@test "make install, with DESTDIR and prefix" {
	make -s -C "$ROOT" install DESTDIR="$BATS_TEST_TMPDIR/root" prefix=/usr >"$out" 2>"$err"
	cd "$BATS_TEST_TMPDIR/root/usr"
	[ -x bin/memleak-bpf ]
	[ -f share/man/man8/memleak-bpf.8 ]
	[ -f share/zsh/site-functions/_memleak-bpf ]
	[ "$(bin/memleak-bpf --version)" = "$("$MEMLEAK" --version)" ]
	# shellcheck disable=SC2016 # for the other shell
	[ "$(bash -c 'source share/bash-completion/completions/memleak-bpf
		COMP_WORDS=(memleak-bpf report --sor) COMP_CWORD=2
		_memleak_bpf
		echo "${COMPREPLY[@]}"')" = --sort ]
	make -s -C "$ROOT" uninstall DESTDIR="$BATS_TEST_TMPDIR/root" prefix=/usr
	[ -z "$(find "$BATS_TEST_TMPDIR/root" -type f)" ]
}
