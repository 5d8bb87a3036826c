#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ./setup.sh          install what is missing to build memleak-bpf
# ./setup.sh --test   the same, and what the tests need
# ./setup.sh demo     set up, build, and profile a small service that leaks in three ways
# ./setup.sh test     set up, build, and run all tests; with NO_SKIP=1 a test that needs BPF and was
#                     skipped has failed
#
# Where nothing is missing, nothing is installed and the network is not used.

set -u
cd "$(dirname "$0")" || exit 1
PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL

# What shows that it is there, and the package: apt-get, dnf, pacman, zypper. `-`: none.
# cmd: a command; pc: a pkg-config module; link: a library; static: static linking.
build_needs='
cmd:make           make             make                 make        make
cmd:cc             gcc              gcc                  gcc         gcc
cmd:c++            g++              gcc-c++              gcc         gcc-c++
link:c             libc6-dev        glibc-devel          glibc       glibc-devel
cmd:clang          clang            clang                clang       clang
cmd:llvm-strip     llvm             llvm                 llvm        llvm
cmd:pkg-config     pkg-config       pkgconf-pkg-config   pkgconf     pkgconf-pkg-config
run:bpftool        bpftool          bpftool              bpf         bpftool
pc:libbpf          libbpf-dev       libbpf-devel         libbpf      libbpf-devel
pc:libelf          libelf-dev       elfutils-libelf-devel libelf     libelf-devel
pc:libdw           libdw-dev        elfutils-devel       elfutils    libdw-devel
pc:json-c          libjson-c-dev    json-c-devel         json-c      libjson-c-devel
pc:zlib            zlib1g-dev       zlib-devel           zlib        zlib-devel
pc:libprotobuf-c   libprotobuf-c-dev protobuf-c-devel    protobuf-c  libprotobuf-c-devel
cmd:protoc-c       protobuf-c-compiler protobuf-c-compiler protobuf-c protobuf-c
pc:ncursesw        libncurses-dev   ncurses-devel        ncurses     ncurses-devel
pc:liblzma         liblzma-dev      xz-devel             xz          xz-devel
cmd:basenc         coreutils        coreutils            coreutils   coreutils
pc:libseccomp      libseccomp-dev   libseccomp-devel     libseccomp   libseccomp-devel
link:iberty        libiberty-dev    binutils-devel       binutils    binutils-devel
'
test_needs='
pc:cmocka          libcmocka-dev    libcmocka-devel      cmocka      libcmocka-devel
cmd:bats           bats             bats                 bash-bats   bats
cmd:python3        python3          python3              python      python3
cmd:jq             jq               jq                   jq          jq
cmd:valgrind       valgrind         valgrind             valgrind    valgrind
cmd:ps             procps           procps-ng            procps-ng   procps
cmd:setpriv        util-linux       util-linux           util-linux  util-linux
cmd:addr2line      binutils         binutils             binutils    binutils
cmd:eu-addr2line   elfutils         elfutils             elfutils    elfutils
cmd:file           file             file                 file        file
cmd:xz             xz-utils         xz                   xz          xz
fuzzer:            libclang-rt-dev  compiler-rt          compiler-rt -
'
# Without these some tests are skipped. Debian's redis-tools has the server too, and starts no service.
optional_needs='
cmd:tmux           tmux             tmux                 tmux        tmux
cmd:git            git              git                  git         git
cmd:setcap         libcap2-bin      libcap               libcap      libcap-progs
cmd:gdb            gdb              gdb                  gdb         gdb
cmd:musl-gcc       musl-tools       musl-gcc             musl        -
cmd:sqlite3        sqlite3          sqlite               sqlite      sqlite3
cmd:redis-check-rdb redis-tools     redis                redis       redis
cmd:node           nodejs           nodejs               nodejs      nodejs
cmd:openssl        openssl          openssl              openssl     openssl
cmd:dtrace         systemtap-sdt-dev systemtap-sdt-devel -           systemtap-sdt-devel
cmd:dwz            dwz              dwz                  dwz         dwz
link:jemalloc      libjemalloc-dev  jemalloc-devel       jemalloc    jemalloc-devel
link:tcmalloc_minimal libgoogle-perftools-dev gperftools-devel gperftools gperftools-devel
link:mimalloc      libmimalloc-dev  mimalloc-devel       mimalloc    mimalloc-devel
pc:sqlite3         libsqlite3-dev   sqlite-devel         sqlite      sqlite3-devel
pc:apr-1           libapr1-dev      apr-devel            apr         apr-devel
pc:glib-2.0        libglib2.0-dev   glib2-devel          glib2       glib2-devel
cmd:rustc          rustc            rust                 rust        rust
cmd:go             golang-go        golang-bin           go          go
cmd:chromium       chromium         chromium             chromium    chromium
cmd:npm            npm              nodejs-npm           npm         npm-default
static:c           libc6-dev        glibc-static         glibc       glibc-devel-static
'

say() {
	echo "setup.sh: $*" >&2
}

die() {
	say "$*"
	exit 1
}


# A bpftool that runs: Ubuntu's is a wrapper that wants the tools of the running kernel.
find_bpftool() {
	for candidate in bpftool /usr/lib/linux-tools*/*/bpftool; do
		if "$candidate" version >/dev/null 2>&1; then
			command -v "$candidate"
			return
		fi
	done
	return 1
}

have() {
	case $1 in
	cmd:*) command -v "${1#cmd:}" >/dev/null ;;
	run:*) find_bpftool >/dev/null ;;
	pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
	link:*) echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - "-l${1#link:}" 2>/dev/null ;;
	fuzzer:) echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
		clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null ;;
	static:*) echo 'int main(void) { return 0; }' | cc -static -x c -o /dev/null - 2>/dev/null ;;
	esac
}

# The packages of column $1 for what is missing of the table $2.
missing() {
	echo "$2" | while read -r check apt dnf pacman zypper; do
		[ -n "$check" ] || continue
		have "$check" && continue
		case $1 in
		apt-get) package=$apt ;;
		dnf) package=$dnf ;;
		pacman) package=$pacman ;;
		zypper) package=$zypper ;;
		*) package=${check#*:} ;;
		esac
		[ "$package" = - ] || echo "$package"
	done | sort -u | tr '\n' ' '
}

find_manager() {
	for manager in apt-get dnf pacman zypper; do
		command -v $manager >/dev/null && return
	done
	manager=
}

# bpftool is no package of its own on some releases of Ubuntu.
without_bpftool_package() {
	for package; do
		if [ "$package" = bpftool ] && [ "$manager" = apt-get ] &&
			! apt-cache show bpftool 2>/dev/null | grep -q '^Version:'; then
			echo linux-tools-common linux-tools-generic
		else
			echo "$package"
		fi
	done
}

install() {
	say "installing with $manager: $*"
	case $manager in
	apt-get)
		if [ -z "${updated:-}" ]; then
			$as_root apt-get -q update >&2 || say "apt-get update failed; trying all the same"
			updated=1
		fi
		# shellcheck disable=SC2046
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install \
			--no-install-recommends $(without_bpftool_package "$@") >&2
		;;
	dnf) $as_root dnf -y --setopt=install_weak_deps=False install "$@" >&2 ;;
	pacman) $as_root pacman -Sy --noconfirm --needed "$@" >&2 ;;
	zypper) $as_root zypper --non-interactive install --no-recommends "$@" >&2 ;;
	esac
}

# need TABLE [optional]
need() {
	packages=$(missing "$manager" "$1")
	[ -n "$packages" ] || return 0
	if [ -z "$manager" ]; then
		[ -n "${2:-}" ] && return
		die "no apt-get, dnf, pacman or zypper here; please install: $packages"
	fi
	if [ "$(id -u)" != 0 ] && [ -z "$as_root" ]; then
		[ -n "${2:-}" ] && return
		die "missing: $packages; to install them, run this as root or install sudo"
	fi
	# shellcheck disable=SC2086
	if ! install $packages; then
		if [ -n "${2:-}" ]; then
			say "could not install $packages: some tests will be skipped"
			return
		fi
		die "$manager could not install: $packages"
	fi
	packages=$(missing "$manager" "$1")
	[ -z "$packages" ] || [ -n "${2:-}" ] ||
		die "installed, but still not usable: $packages"
}

check_clang() {
	version=$(echo __clang_major__ | clang -E -P -x c - 2>/dev/null)
	case $version in
	'' | *[!0-9]*) die "clang does not run" ;;
	esac
	[ "$version" -ge 14 ] || die "clang is version $version; 14 or newer is needed"
}

set_up() {
	need "$build_needs"
	check_clang
	if [ "${1:-}" = test ]; then
		need "$test_needs"
		need "$optional_needs" optional
		set_up_browser
	fi
}

# What drives the browser that opens the HTML page: a package of npm, for tests alone.
set_up_browser() {
	[ ! -d tests/browser/node_modules ] && command -v npm >/dev/null || return 0
	say "installing for the tests with npm: playwright-core"
	(cd tests/browser && npm ci --ignore-scripts --no-audit --no-fund >&2) ||
		say "npm could not install it: the tests of the HTML page will be skipped"
}

build() {
	make -j "$(nproc 2>/dev/null || echo 2)" BPFTOOL="$(find_bpftool)" "$@" >&2 ||
		die "the build failed"
}

demo() {
	set_up
	build all build/tests/programs/service
	say "profiling a service that leaks, for six seconds, with a report every two:"
	say "\$ memleak-bpf -c 'build/tests/programs/service 6' 2"
	$as_root ./memleak-bpf -c 'build/tests/programs/service 6' 2
}

run_tests() {
	set_up test
	build all programs unit-tests
	# shellcheck disable=SC2086
	$as_root tests/run ${NO_SKIP:+--no-skip}
}

find_manager
as_root=
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null; then
	as_root=sudo
fi
case ${1:-} in
'') set_up ;;
--test) set_up test ;;
demo) demo ;;
test) run_tests ;;
*)
	echo "usage: ./setup.sh [--test | demo | test]" >&2
	exit 2
	;;
esac
