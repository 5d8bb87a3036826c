# SPDX-License-Identifier: GPL-2.0-or-later
# make bench           the benchmark tables; BENCH_FLAGS=--quick for a smoke test
# make bench-programs  what they need

BENCH := $(BUILD)/tests/bench
BENCH_OBJECTS := $(addprefix $(BENCH)/,bench.o cell.o check.o child.o lanes.o names.o probes.o programs.o table.o user.o works.o)
MICRO_FLAGS := -std=gnu11 -O2 -D_GNU_SOURCE -Wall -Wextra -fno-builtin

.PHONY: bench bench-programs
bench: all bench-programs
	$(BENCH)/bench $(BENCH_FLAGS)

bench-programs: $(BENCH)/bench $(BENCH)/micro $(BENCH)/micro_fp $(PROGRAMS)/many $(PROGRAMS)/bulk

$(BENCH)/empty.skel.h: $(BENCH)/empty.bpf.o
	@echo '  SKEL    $@'
	@$(BPFTOOL) gen skeleton $< name empty > $@

$(BENCH)/probes.o: $(BENCH)/empty.skel.h

$(BENCH)/bench: $(BENCH_OBJECTS) $(MODULES)
	@echo '  LINK    $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BENCH)/micro: MICRO_FLAGS += -fomit-frame-pointer
$(BENCH)/micro_fp: MICRO_FLAGS += -fno-omit-frame-pointer
$(BENCH)/micro $(BENCH)/micro_fp: tests/bench/micro.c tests/bench/micro.h
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(MICRO_FLAGS) -o $@ $<
