# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Finds out once what this kernel and this container allow.

setup_suite() {
	local root link status
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	MEMLEAK=${MEMLEAK:-$root/memleak-bpf}
	PATH=$PATH:/usr/sbin:/sbin
	PROGRAMS=${PROGRAMS:-$root/build/tests/programs}
	export MEMLEAK PATH
	if [ ! -x "$MEMLEAK" ] || [ ! -x "$PROGRAMS/nothing" ]; then
		echo "missing: $MEMLEAK or $PROGRAMS: \`make all programs\` builds them" >&2
		return 1
	fi
	unset SUDO_USER SUDO_UID SUDO_GID DEBUGINFOD_URLS LD_PRELOAD
	export LC_ALL=C
	bpftool -j prog list 2>/dev/null | jq -r '.[].id' >"$BATS_SUITE_TMPDIR/bpf-before" || true
	[ -s "$BATS_SUITE_TMPDIR/bpf-before" ] || echo none >"$BATS_SUITE_TMPDIR/bpf-before"
	may_bpf >"$BATS_SUITE_TMPDIR/bpf-refused" 2>&1 && : >"$BATS_SUITE_TMPDIR/bpf-refused"
	# Every kernel has perf's.
	for link in session multi; do
		try "$BATS_SUITE_TMPDIR/link-refused-$link" "--link=$link"
	done
}

# Whether BPF is allowed is asked without the tool: if it is, a tool that does not work is not excused.
may_bpf() {
	local python=/usr/bin/python3
	[ -x "$python" ] || python=python3
	"$python" "$BATS_TEST_DIRNAME/bpf_allowed.py" || return
}

# try FILE OPTION...: the reason why this kind of link is refused goes into FILE, empty if it works.
try() {
	local file=$1 status=0
	shift
	"$MEMLEAK" "$@" --output /dev/null -- /bin/true >/dev/null 2>"$file" </dev/null || status=$?
	[ "$status" = 1 ] || : >"$file"
}

teardown_suite() {
	grep -lzxF "MEMLEAK_TEST_MARK=$BATS_SUITE_TMPDIR" /proc/[0-9]*/environ 2>/dev/null |
		cut -d / -f 3 | while read -r pid; do
		kill -KILL "$pid" 2>/dev/null || true
	done
}
