# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Packages of Debian for another kernel or another architecture, without touching this machine's: a
# private apt configuration under $VM_DIR/apt, packages that are unpacked and never installed.
# Sourced by tests/vm/run and tests/vm/cross-arm64, in the top directory.

VM_DIR=${VM_DIR:-build/vm}
mkdir -p "$VM_DIR"
VM_DIR=$(realpath "$VM_DIR")
SUITES=(bookworm bookworm-backports trixie-backports sid)
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
LISTS_AGE_DAYS=1

say() {
	echo "${0##*/}: $*" >&2
}

die() {
	say "$@"
	exit 1
}

need_command() {
	command -v "$1" >/dev/null || die "$1 is missing: apt-get install $2"
}

# The mirror that this machine uses for Debian; VM_MIRROR overrides it.
debian_mirror() {
	if [ -n "${VM_MIRROR:-}" ]; then
		echo "$VM_MIRROR"
		return
	fi
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
		2>/dev/null | grep -v '^ *#' | grep -oE 'https?://[^ ]*/debian/?( |$)' |
		head -n 1 | tr -d ' '
}

# private apt-get|apt-cache ARG...: with the private configuration, for both architectures.
private() {
	local command=$1 dir=$VM_DIR/apt
	shift
	"$command" -q -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State="$dir" -o Dir::State::lists="$dir/lists" -o Dir::State::status="$dir/status" \
		-o Dir::Cache="$dir" -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 \
		-o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

# Package lists, fetched again when they are older than LISTS_AGE_DAYS.
debian_update() {
	local mirror suite dir=$VM_DIR/apt
	if [ -n "$(find "$dir/updated" -mtime "-$LISTS_AGE_DAYS" 2>/dev/null)" ]; then
		return
	fi
	need_command apt-get apt
	need_command dpkg-deb dpkg
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || die "no Debian mirror in /etc/apt: set VM_MIRROR"
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	for suite in "${SUITES[@]}"; do
		echo "deb [arch=amd64,arm64 signed-by=$KEYRING] $mirror $suite main"
	done >"$dir/sources.list"
	: >"$dir/status"
	say "fetching the package lists of ${SUITES[*]}"
	private apt-get update >"$dir/log" 2>&1 || die "apt-get update failed: see $dir/log"
	touch "$dir/updated"
}

# debian_unpack PACKAGE[:ARCH][/SUITE] DIR: download it, unless it was before, and unpack it there.
debian_unpack() {
	local package=$1 to=$2 debs
	debs=$VM_DIR/apt/debs/${package//[:\/]/_}
	if ! compgen -G "$debs/*.deb" >/dev/null; then
		mkdir -p "$debs"
		(cd "$debs" && private apt-get download "$package") >"$debs/log" 2>&1 ||
			die "cannot download $package: see $debs/log"
	fi
	mkdir -p "$to"
	dpkg-deb -x "$debs"/*.deb "$to"
}
