# SPDX-License-Identifier: GPL-2.0-or-later
# make            ./memleak-bpf
# make check      the tests, but for the longest (those that need BPF are skipped, with the reason,
#                 where it is refused)
# make check-all  all of them
# make bench      the benchmark tables
# make fuzz       every fuzzer for FUZZ_SECONDS (10)
# make lint       shellcheck and the format of the sources; make tidy: clang-tidy
# make libmemleak.so  what --preload puts into a program; part of `make`
# make install    into $(DESTDIR)$(prefix); make uninstall
# make clean

CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) $(shell command -v bpftool) bpftool)
PKG_CONFIG ?= pkg-config
PROTOC_C ?= protoc-c
CFLAGS ?= -O2 -g
WERROR ?= -Werror

VERSION := 0.1.0
prefix ?= /usr/local
libdir ?= $(prefix)/lib
BUILD := build
PROGRAM := memleak-bpf
MACHINE ?= $(shell uname -m)
ARCH := $(MACHINE:aarch64=arm64)
ARCH := $(ARCH:x86_64=x86)

PACKAGES := libbpf libelf libdw liblzma libseccomp json-c zlib libprotobuf-c ncursesw
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -liberty -lm
ALL_CFLAGS := -std=gnu11 -Wall -Wextra $(WERROR) -D_GNU_SOURCE -DMEMLEAK_VERSION='"$(VERSION)"' \
	-DMEMLEAK_LIBRARIES='"$(libdir)/memleak-bpf"' \
	-Iuser -I. -I$(BUILD) $(PKG_CFLAGS) $(CFLAGS) -MMD -MP
BPF_CFLAGS := -O2 -g -Wall -Wextra -Wno-unused-parameter $(WERROR) -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -I. -MMD -MP

BPF_SOURCES := $(wildcard bpf/*.bpf.c)
BPF_OBJECTS := $(BPF_SOURCES:%.bpf.c=$(BUILD)/%.bpf.o)
SKELETON := $(BUILD)/bpf/memleak.skel.h

# What runs in the traced program is a library of its own.
HOOK_SOURCES := $(wildcard user/hook/*.c) user/hook/site_$(MACHINE).S
HOOK_FLAGS := -fPIC -fvisibility=hidden -fno-builtin -fno-stack-protector -fno-omit-frame-pointer
HOOK_LINK := -shared -Wl,--version-script=user/hook/libmemleak.map -Wl,-z,now -Wl,-soname,libmemleak.so
MUSL_CC ?= $(shell command -v musl-gcc)
HOOKS := libmemleak.so $(if $(MUSL_CC),libmemleak-musl.so)

SOURCES := $(filter-out user/hook/%,$(wildcard user/*.c user/*/*.c))
PROFILE_PROTO := $(BUILD)/profile/profile.pb-c.c
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(PROFILE_PROTO:.c=.o)
MODULES := $(filter-out $(BUILD)/user/main.o,$(OBJECTS))

# The page of HTML reports: one file, which names what may run in it by its hash.
PAGE := $(BUILD)/report/page.html
PAGE_SCRIPTS := $(addprefix user/report/page/,model.js text.js flame.js table.js plot.js wrong.js page.js)
PAGE_STYLE := user/report/page/page.css

UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
UNIT_TESTS := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/tests/unit/%)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all check check-all unit-tests lint tidy install uninstall clean

all: $(PROGRAM) $(HOOKS)

$(PROGRAM): $(OBJECTS)
	@echo '  LINK    $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

libmemleak.so: $(HOOK_SOURCES) $(wildcard user/hook/*.h) user/hook/libmemleak.map bpf/deferred.h bpf/memleak.h bpf/sample.h
	@echo '  HOOK    $@'
	@$(CC) -std=gnu11 -Wall -Wextra $(WERROR) -D_GNU_SOURCE -Iuser -I. $(CFLAGS) $(HOOK_FLAGS) $(LDFLAGS) \
		$(HOOK_LINK) -o $@ $(HOOK_SOURCES)

libmemleak-musl.so: libmemleak.so
	@echo '  HOOK    $@'
	@$(MUSL_CC) -std=gnu11 -Wall -Wextra $(WERROR) -D_GNU_SOURCE -Iuser -I. $(CFLAGS) $(HOOK_FLAGS) \
		-idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -print-multiarch) $(HOOK_LINK) -o $@ $(HOOK_SOURCES)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/profile/profile.pb-c.o: $(PROFILE_PROTO)
	@echo '  CC      $@'
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(PROFILE_PROTO) $(PROFILE_PROTO:.c=.h) &: user/profile/profile.proto
	@mkdir -p $(@D)
	@echo '  PROTO   $@'
	@$(PROTOC_C) --c_out=$(BUILD) --proto_path=user $<

# Only profile/ knows the messages.
$(patsubst %.c,$(BUILD)/%.o,$(wildcard user/profile/*.c)): $(PROFILE_PROTO:.c=.h)

# Only probe/ knows the skeleton.
$(patsubst %.c,$(BUILD)/%.o,$(wildcard user/probe/*.c)): $(SKELETON)

# The hash of an element that begins with the end of a line, as the policy of a page takes it.
page_hash = sha256-$$( (echo; cat $(1)) | sha256sum | cut -c 1-64 | tr a-f A-F | basenc --base16 -d | base64)

$(PAGE): user/report/page/page.html $(PAGE_STYLE) $(PAGE_SCRIPTS)
	@mkdir -p $(@D)
	@echo '  PAGE    $@'
	@cat $(PAGE_SCRIPTS) > $(BUILD)/report/page.js
	@sed -e "s|@style-hash@|$(call page_hash,$(PAGE_STYLE))|" \
		-e "s|@script-hash@|$(call page_hash,$(PAGE_SCRIPTS))|" \
		-e '/^@style@$$/{r $(PAGE_STYLE)' -e 'd}' \
		-e '/^@script@$$/{r $(BUILD)/report/page.js' -e 'd}' $< > $@

$(BUILD)/user/report/html.o: $(PAGE)
$(BUILD)/user/report/html.o: ALL_CFLAGS += -DMEMLEAK_PAGE='"$(PAGE)"'

$(BUILD)/%.bpf.o: %.bpf.c
	@mkdir -p $(@D)
	@echo '  BPF     $@'
	@$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(BUILD)/bpf/linked.o: $(BPF_OBJECTS)
	@echo '  LINK    $@'
	@$(BPFTOOL) gen object $@ $^

$(SKELETON): $(BUILD)/bpf/linked.o
	@echo '  SKEL    $@'
	@$(BPFTOOL) gen skeleton $< name memleak > $@

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(MODULES)
	@echo '  LINK    $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lcmocka

unit-tests: $(UNIT_TESTS)

include tests/programs/programs.mk
include tests/browser/browser.mk
include tests/bench/bench.mk
include tests/fuzz/fuzz.mk
include tests/sanitize.mk
include tests/soak/soak.mk
include packaging/packaging.mk

# NO_SKIP=1: a test that was skipped fails the run.
check: all unit-tests programs
	tests/run --quick $(if $(NO_SKIP),--no-skip)

check-all: all unit-tests programs
	tests/run $(if $(NO_SKIP),--no-skip)

lint:
	clang-format --dry-run -Werror $$(git ls-files '*.[ch]' | grep -v ^tests/programs)
	shellcheck setup.sh .ci/run tests/run tests/browser/test_page completions/memleak-bpf.bash $$(git ls-files 'tests/*.bash') \
		tests/vm/run tests/vm/cross-arm64 tests/packaging/chroot

# Minutes of processor time: not a part of lint.
TIDY ?= clang-tidy
tidy: all
	printf '%s\n' $(SOURCES) | xargs -P $$(nproc) -I{} $(TIDY) --quiet {} -- $(filter-out -MMD -MP,$(ALL_CFLAGS)) \
		-DMEMLEAK_PAGE='"$(PAGE)"'

bindir ?= $(prefix)/bin
mandir ?= $(prefix)/share/man
bashcompletiondir ?= $(prefix)/share/bash-completion/completions
zshcompletiondir ?= $(prefix)/share/zsh/site-functions

install: all
	install -D -m 755 memleak-bpf $(DESTDIR)$(bindir)/memleak-bpf
	$(foreach hook,$(HOOKS),install -D -m 755 $(hook) $(DESTDIR)$(libdir)/memleak-bpf/$(hook);)
	install -D -m 644 man/memleak-bpf.8 $(DESTDIR)$(mandir)/man8/memleak-bpf.8
	install -D -m 644 completions/memleak-bpf.bash $(DESTDIR)$(bashcompletiondir)/memleak-bpf
	install -D -m 644 completions/memleak-bpf.zsh $(DESTDIR)$(zshcompletiondir)/_memleak-bpf

uninstall:
	rm -f $(DESTDIR)$(libdir)/memleak-bpf/libmemleak.so $(DESTDIR)$(libdir)/memleak-bpf/libmemleak-musl.so
	rm -f $(DESTDIR)$(bindir)/memleak-bpf $(DESTDIR)$(mandir)/man8/memleak-bpf.8 \
		$(DESTDIR)$(bashcompletiondir)/memleak-bpf $(DESTDIR)$(zshcompletiondir)/_memleak-bpf

clean:
	rm -rf $(BUILD) memleak-bpf libmemleak.so libmemleak-musl.so

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
