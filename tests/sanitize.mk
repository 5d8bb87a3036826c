# SPDX-License-Identifier: GPL-2.0-or-later
# make check-asan      the unit tests, and the end-to-end tests of what the tool does between the kernel and its reports,
#                      with AddressSanitizer and UndefinedBehaviorSanitizer, in $(BUILD)/asan
# make check-valgrind  the unit tests, but for two, under Valgrind's memcheck: some minutes
# make check-compilers both compilers, and for BPF all versions of clang that are installed: no warning

ASAN := $(BUILD)/asan
ASAN_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
# Not those that measure, nor of the helper's sandbox, which a sanitizer's own threads and calls do not live in.
ASAN_TESTS := usage profiles signals reports leaks diagnose blocks pairs children attach live truth unwind wide page

# Valgrind knows no pidfds, and cannot start itself as somebody else; and its signals come between
# some instructions alone.
VALGRIND_TESTS := $(filter-out %/test_sandbox %/test_blocks_interrupted,$(UNIT_TESTS))
VALGRIND := valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect \
	--child-silent-after-fork=yes

.PHONY: check-asan check-valgrind check-compilers $(VALGRIND_TESTS:%=%.memcheck)
check-asan: programs
	$(MAKE) BUILD=$(ASAN) PROGRAM=$(ASAN)/memleak-bpf CFLAGS='$(ASAN_FLAGS)' all unit-tests
	MEMLEAK=$(CURDIR)/$(ASAN)/memleak-bpf UBSAN_OPTIONS=print_stacktrace=1 tests/run $(if $(NO_SKIP),--no-skip) \
		$(UNIT_TESTS:$(BUILD)/%=$(ASAN)/%) $(ASAN_TESTS:%=tests/e2e/%.bats)

check-valgrind: $(VALGRIND_TESTS:%=%.memcheck)

$(VALGRIND_TESTS:%=%.memcheck): %.memcheck: % unit-tests
	@echo "  MEMCHECK $<"
	@$(VALGRIND) $< >$@.log 2>&1 || { cat $@.log; exit 1; }

CLANGS := $(notdir $(wildcard /usr/bin/clang-[0-9] /usr/bin/clang-[0-9][0-9]))
check-compilers:
	$(MAKE) BUILD=$(BUILD)/gcc PROGRAM=$(BUILD)/gcc/memleak-bpf CC=gcc all unit-tests
	$(MAKE) BUILD=$(BUILD)/clang PROGRAM=$(BUILD)/clang/memleak-bpf CC=$(CLANG) all unit-tests
	for c in $(CLANGS); do \
		$(MAKE) BUILD=$(BUILD)/$$c CLANG=$$c CC=$$c PROGRAM=$(BUILD)/$$c/memleak-bpf all || exit 1; \
	done
