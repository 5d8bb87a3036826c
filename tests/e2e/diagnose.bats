#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034,SC2030,SC2031 # set by helper.bash; a test is a subshell
# Wrong frees: what programs say that they do wrong is found, each once, and nothing else.

load helper

# What the report says, in the words of tests/programs/findings.h, sorted.
reported() {
	jq -s '[.[-1].processes[].errors[] | {kind, count, bytes, alloc_family,
		alloc: (.alloc_frames[0].symbol // null), free_family, free: .free_frames[0].symbol,
		deleted_bytes: (.deleted_bytes // 0)}] | sort | .[]' -c "$report"
}

# finds PROGRAM [ARG...]: exactly what it states.
finds() {
	require_bpf
	require_program "$1"
	export FINDINGS=$BATS_TEST_TMPDIR/findings
	rm -f "$FINDINGS"
	profile "$@"
	[ "$status" = "${STATUS:-0}" ] || {
		echo "status $status, expected ${STATUS:-0}"
		cat "$err"
		return 1
	}
	touch "$FINDINGS"
	diff <(jq -sc 'sort | .[]' "$FINDINGS") <(reported)
}

# clean COMMAND...: nothing is found.
clean() {
	require_bpf
	profile "$@"
	holds '[.processes[].errors[]] == [] and .diagnosed and .losses.wrong_frees == 0'
}

@test "every kind of wrong free" {
	finds wrong_frees
	[ "$(reported | wc -l)" = 13 ]
	holds 'all(.processes[0].errors[]; .remedy != "")'
	holds '[.processes[0].errors[] | select(.kind == "double_free").first_free_frames[0].symbol] == ["do_free"]'
	holds '[.processes[0].errors[] | select(.kind == "sized_delete").deleted_bytes] | sort == [16, 32]'
}

@test "the same with every kind of link" {
	local link
	for link in multi perf; do
		[ -s "$BATS_SUITE_TMPDIR/link-refused-$link" ] && continue
		TOOL="--link=$link" finds wrong_frees
	done
}

@test "the same in a static program" { finds wrong_frees_static; }
@test "the same with operators of the program's own" { finds wrong_frees_own; }
@test "the same with operators that a library keeps for itself" { finds wrong_frees_hidden; }

@test "a double free that ends the program" { STATUS=134 finds wrong_frees dies; }

@test "a double free, with more blocks in between than slots are kept for" {
	TOOL="--max-blocks 100" STATUS=134 finds wrong_frees dies 50
	TOOL="--max-blocks 400" STATUS=134 finds wrong_frees dies 300
	STATUS=134 finds wrong_frees dies 300
}

@test "a double free, while other threads need the slots" {
	require_bpf
	TOOL="--max-blocks 300" profile env LD_PRELOAD="$PROGRAMS/libbump.so" "$PROGRAMS/free_twice" 50000
	holds '[.processes[].errors[] | {kind, count, first: .first_free_frames[0].symbol}] ==
		[{kind: "double_free", count: 400000, first: "first"}]'
}

@test "as many as Valgrind counts" {
	local xml=$BATS_TEST_TMPDIR/xml
	require_command valgrind
	finds wrong_frees
	valgrind --xml=yes --xml-file="$xml" "$PROGRAMS/wrong_frees" >/dev/null 2>&1
	"$PYTHON" - "$xml" >"$BATS_TEST_TMPDIR/counts" <<-'END'
		import sys, xml.etree.ElementTree as tree
		root = tree.parse(sys.argv[1]).getroot()
		kinds = {e.findtext("unique"): e.findtext("kind") for e in root.iter("error")}
		counts = {"MismatchedFree": 0, "InvalidFree": 0}
		for pair in root.findall("errorcounts")[-1].iter("pair"):
		    kind = kinds.get(pair.findtext("unique"))
		    if kind in counts:
		        counts[kind] += int(pair.findtext("count"))
		print(counts["MismatchedFree"], counts["InvalidFree"])
	END
	[ "$(cat "$BATS_TEST_TMPDIR/counts")" = "$(jq -rs '[.[-1].processes[0].errors[]] |
		"\(map(select(.kind == "mismatched_free").count) | add) \(
		map(select(.kind == "double_free" or .kind == "invalid_free").count) | add)"' "$report")" ]
}

# The four classic causes of leaks, each with its finding and its remedy.

@test "cause: never freed" {
	finds cause_never_freed
	holds '[.processes[0].stacks[] | select(.verdict == "definite") | [.bytes, .frames[0].symbol]] == [[100, "forget"]]'
	holds '[.processes[0].stacks[] | select(.verdict == "definite").remedy | test("delete\\[\\]")] == [true]'
}

@test "cause: mismatched" {
	finds cause_mismatched
	holds '.processes[0].errors[0].remedy | test("delete\\[\\]")'
	holds '[.processes[0].stacks[] | select(.verdict == "definite")] == []'
}

@test "cause: no virtual destructor" {
	finds cause_destructor
	holds '.processes[0].errors[0].remedy | test("virtual")'
	# The member that nobody destroyed, and the class of the object that held it.
	holds '[.processes[0].stacks[] | select(.verdict == "definite").bytes] == [201]'
	holds '.processes[0].errors[0].type == "Derived"'
}

@test "cause: shared_ptr cycle" {
	finds cause_cycle
	holds '[.processes[0].stacks[] | select(.cycle).blocks] | add >= 6'
	holds '[.processes[0].stacks[] | select(.cycle).remedy // "" | test("Parent|Child")] | any'
}

@test "the causes in text" {
	local cause
	require_bpf
	for cause in "cause_never_freed:forget:never deleted" "cause_mismatched:drop:use delete[]" \
		"cause_destructor:destroy:virtual" "cause_cycle:make_pair:std::weak_ptr"; do
		"$MEMLEAK" ${MEMLEAK_PRELOAD:+--preload} -- "$PROGRAMS/${cause%%:*}" >"$out" 2>"$err"
		grep -qF "${cause##*:}" "$out"
		grep -q "$(cut -d : -f 2 <<<"$cause")" "$out"
	done
}

@test "in text they stand before the stacks, both sides of each" {
	require_bpf
	"$MEMLEAK" ${MEMLEAK_PRELOAD:+--preload} -- "$PROGRAMS/cause_destructor" >"$out" 2>"$err"
	awk '/WRONG FREES: 1 at 1 place/ { wrong = NR }
		/sized_delete: 40 bytes at 0x[0-9a-f]+, type Derived/ { kind = NR }
		/freed as 8 bytes by delete/ { freed = NR }
		/^ *destroy\+0x/ { destroy = NR }
		/allocated by new:/ { allocated = NR }
		/^ *make_derived\+0x/ && !made { made = NR }
		/definitely lost$/ { lost = NR }
		END { exit !(wrong && wrong < kind && kind < freed && freed < destroy &&
			destroy < allocated && allocated < made && made < lost) }' "$out"
}

@test "clean: operators of its own" { clean clean_own_operators; }
@test "clean: objects of every kind" { clean clean_objects; }
@test "clean: threads with caches" { clean clean_threads; }
@test "clean: children" { clean clean_forks; }
@test "clean: a vfork child in its parent's memory" { clean vforks; }
@test "clean: a shell" {
	clean sh -c '/bin/true; cd / && echo x | cat; X=5 /bin/true'
	TOOL=--no-follow clean sh -c '/bin/true; cd / && echo x | cat; X=5 /bin/true'
}
@test "clean: what the C library allocates" { clean clean_library_calls; }

@test "clean: allocators of other makers" {
	local program
	for program in new_delete family own_new own_malloc new_delete_jemalloc family_jemalloc \
		new_delete_tcmalloc family_jemalloc_static new_delete_tcmalloc_static mimalloc_api \
		jemalloc_api tcmalloc_api family_musl threads_musl; do
		[ ! -e "$PROGRAMS/$program" ] || clean "$program"
	done
}

@test "clean: programs of others" {
	require_command sqlite3
	require_command git
	clean sqlite3 :memory: 'create table t(a); insert into t values (1); select * from t'
	clean git --version
	clean "$PYTHON" -c 'import json; json.loads(json.dumps(list(range(1000))))'
}

@test "off: nothing is looked for" {
	require_bpf
	TOOL=--no-diagnose profile wrong_frees
	holds '.processes[0].errors == [] and (.diagnosed | not)'
}

@test "in a part of the allocations: those that are seen, and no more" {
	require_bpf
	TOOL='-z 21' profile wrong_frees
	holds '[.processes[0].errors[].kind] | unique == ["mismatched_free", "sized_delete"]'
	holds '[.processes[0].errors[].bytes] | min == 21'
}

@test "a table that is full makes no finding" {
	require_bpf
	TOOL='--max-blocks 2' profile containers
	holds '.losses.blocks > 0 and .processes[0].errors == []'
}

@test "attached in mid-life: what was there before is not judged" {
	require_bpf
	start_pump
	tell "leak 100 10"
	start_tool -p "$target" --diagnose --leak-check=no
	ask_report
	tell "free 100"
	end_tool
	tell "exit 0"
	holds '.diagnosed and .processes[0].errors == []'
}

@test "--error-exitcode" {
	require_bpf
	TOOL='--error-exitcode 9' profile cause_mismatched
	[ "$status" = 9 ]
	TOOL='--error-exitcode 9 --no-diagnose' profile cause_mismatched
	[ "$status" = 0 ]
	TOOL='--error-exitcode 9' profile clean_threads
	[ "$status" = 0 ]
}

@test "suppressed" {
	require_bpf
	printf '{\n  x\n  Memcheck:Free\n  fun:_ZdlPv\n  fun:drop\n}\n' >"$BATS_TEST_TMPDIR/supp"
	TOOL="--error-exitcode 9 --suppressions $BATS_TEST_TMPDIR/supp" profile cause_mismatched
	[ "$status" = 0 ]
	holds '[.processes[0].errors[].suppressed] == [true]'
	"$MEMLEAK" ${MEMLEAK_PRELOAD:+--preload} --gen-suppressions -- "$PROGRAMS/cause_destructor" >"$out" 2>"$err"
	sed -n '/^{/,/^}/p' "$out" >"$BATS_TEST_TMPDIR/supp"
	TOOL="--error-exitcode 9 --suppressions $BATS_TEST_TMPDIR/supp" profile cause_destructor
	[ "$status" = 0 ]
}

@test "a saved profile shows what the run showed" {
	require_bpf
	local saved=$BATS_TEST_TMPDIR/saved.pb.gz
	"$MEMLEAK" ${MEMLEAK_PRELOAD:+--preload} -f json -w "$saved" -- "$PROGRAMS/wrong_frees" >"$report" 2>"$err"
	"$MEMLEAK" report -f json "$saved" >"$BATS_TEST_TMPDIR/again"
	diff <(jq -S '.processes[0].errors' "$report") <(jq -S '.processes[0].errors' "$BATS_TEST_TMPDIR/again")
	[ "$(jq '.processes[0].errors | length' "$report")" = 13 ]
}
