# SPDX-License-Identifier: GPL-2.0-or-later
# make fuzz           every fuzzer for FUZZ_SECONDS (10), from tests/fuzz/inputs and what it found before
# make fuzz-programs  the fuzzers, in $(BUILD)/fuzz
#
# FUZZ=cfi names one of them. A finding is an input that a fuzzer leaves in $(BUILD)/fuzz: once mended it is
# kept in tests/fuzz/inputs, which the unit tests run too.

FUZZ_SECONDS ?= 10
FUZZ ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_DIR := $(BUILD)/fuzz
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined
FUZZ_MODULES := $(patsubst $(BUILD)/%,$(FUZZ_DIR)/%,$(filter-out $(BUILD)/user/probe/%,$(MODULES)))

.PHONY: fuzz fuzz-programs
fuzz-programs: $(FUZZ:%=$(FUZZ_DIR)/fuzz_%)

$(FUZZ_DIR)/user/report/html.o: $(PAGE)
$(FUZZ_DIR)/user/report/html.o: ALL_CFLAGS += -DMEMLEAK_PAGE='"$(PAGE)"'

$(FUZZ_DIR)/%.o: %.c
	@mkdir -p $(@D)
	@echo '  FUZZ    $@'
	@$(CLANG) $(ALL_CFLAGS) $(FUZZ_FLAGS) -c -o $@ $<

$(FUZZ_DIR)/profile/profile.pb-c.o: $(PROFILE_PROTO)
	@mkdir -p $(@D)
	@$(CLANG) $(ALL_CFLAGS) $(FUZZ_FLAGS) -c -o $@ $<

$(patsubst %.c,$(FUZZ_DIR)/%.o,$(wildcard user/profile/*.c)): $(PROFILE_PROTO:.c=.h)

# An archive: of what needs the kernel's side nothing is linked.
$(FUZZ_DIR)/modules.a: $(FUZZ_MODULES)
	@rm -f $@ && ar rcs $@ $^

$(FUZZ_DIR)/fuzz_%: $(FUZZ_DIR)/tests/fuzz/fuzz_%.o $(FUZZ_DIR)/modules.a
	@echo '  LINK    $@'
	@$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

# The same entries under other names, for the unit test that runs them over tests/fuzz/inputs.
FUZZ_ENTRIES := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%.o,$(wildcard tests/fuzz/fuzz_*.c))
$(FUZZ_ENTRIES): ALL_CFLAGS += -DLLVMFuzzerTestOneInput=$(notdir $(@:.o=))
$(BUILD)/tests/unit/test_fuzz: $(FUZZ_ENTRIES)

# Freed memory is kept from being used again, as long as there is little of it: huge buffers cost more
# than all the rest.
fuzz: fuzz-programs
	@for f in $(FUZZ); do \
		mkdir -p $(FUZZ_DIR)/corpus/$$f && \
		echo "  RUN     fuzz_$$f for $(FUZZ_SECONDS) s" && \
		ASAN_OPTIONS=$${ASAN_OPTIONS:-quarantine_size_mb=16} $(FUZZ_DIR)/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) \
			-timeout=30 -rss_limit_mb=4096 -artifact_prefix=$(FUZZ_DIR)/ $(FUZZ_FLAGS_$$f) \
			$(FUZZ_DIR)/corpus/$$f $$(ls -d tests/fuzz/inputs/$$f) >$(FUZZ_DIR)/$$f.log 2>&1 || \
			{ tail -n 40 $(FUZZ_DIR)/$$f.log; exit 1; }; \
		tail -n 1 $(FUZZ_DIR)/$$f.log; \
	done
