# SPDX-License-Identifier: GPL-2.0-or-later
# The test programs: `make programs` builds them into $(BUILD)/tests/programs.
#
# X.c and X.cc give X; libX.c gives libX.so. A name with a suffix is the same source built another way.

PROGRAMS := $(BUILD)/tests/programs
PROGRAM_FLAGS := -O2 -g -D_GNU_SOURCE -Wall -Wextra -Wno-unused-result -Wno-use-after-free \
	-Wno-alloc-size-larger-than -Wno-missing-field-initializers
STRIP ?= strip
OBJCOPY ?= objcopy
HAVE_SDT := $(shell $(CC) -E -include sys/sdt.h -x c /dev/null >/dev/null 2>&1 && echo y)
HAVE_X86 := $(findstring x86_64,$(shell $(CC) -dumpmachine))
HAVE_MUSL := $(shell command -v musl-gcc)
HAVE_RUST := $(shell command -v rustc)
HAVE_GO := $(shell command -v go)

# Allocators and compilers that may be missing.
have_library = $(findstring /,$(shell $(CC) -print-file-name=$(1)))
HAVE_JEMALLOC := $(call have_library,libjemalloc.a)
HAVE_TCMALLOC := $(call have_library,libtcmalloc_minimal.a)
HAVE_MIMALLOC := $(call have_library,libmimalloc.so)
PROGRAM_MISSING := $(if $(HAVE_JEMALLOC),,jemalloc_api) $(if $(HAVE_TCMALLOC),,tcmalloc_api) \
	$(if $(HAVE_MIMALLOC),,mimalloc_api) $(if $(HAVE_SDT),,drawn) $(if $(HAVE_X86),,no_stack) \
	$(if $(shell $(PKG_CONFIG) --exists sqlite3 && echo y),,worked_sqlite) \
	$(if $(shell $(PKG_CONFIG) --exists apr-1 && echo y),,worked_apr) \
	$(if $(shell $(PKG_CONFIG) --exists glib-2.0 && echo y),,worked_glib)

PROGRAM_C := $(filter-out lib%,$(notdir $(basename $(wildcard tests/programs/*.c))))
PROGRAM_CXX := $(notdir $(basename $(wildcard tests/programs/*.cc)))
PROGRAM_VARIANTS := malloc_one_nopie malloc_one_stripped \
	family_static family_static_pie threads_static deep_static new_delete_static wrong_frees_own wrong_frees_static nothing_static nothing_static_pie pump_static baseline_cxx_static \
	deep_fp deep200 deep200_fp edges_fp frames_static_pie frames_split frames_stripped frames_cxx_stripped \
	$(if $(HAVE_JEMALLOC),family_jemalloc new_delete_jemalloc bad_alloc_jemalloc \
		family_jemalloc_static) \
	$(if $(HAVE_TCMALLOC),baseline_cxx_tcmalloc new_delete_tcmalloc bad_alloc_tcmalloc \
		baseline_cxx_tcmalloc_static new_delete_tcmalloc_static) \
	$(if $(HAVE_RUST),leak_rust) $(if $(HAVE_GO),leak_go leak_cgo) \
	$(if $(HAVE_MUSL),family_musl family_musl_static threads_musl malloc_one_musl sampled_musl forks_musl forks_musl_static)
PROGRAM_LIBS := libctor.so libplugin_a.so libplugin_b.so libhidden.so libbump.so libpass.so libkeeper.so liblate.so libfaults.so \
	$(if $(HAVE_SDT),libbump_sites.so libbump_sites_O0.so)

PROGRAM_ALL := $(addprefix $(PROGRAMS)/,$(filter-out deep $(PROGRAM_MISSING),$(PROGRAM_C)) deep \
	$(filter-out $(PROGRAM_MISSING),$(PROGRAM_CXX)) \
	$(PROGRAM_VARIANTS) $(PROGRAM_LIBS))

.PHONY: programs
programs: $(PROGRAM_ALL)

$(PROGRAM_ALL): tests/programs/programs.mk | $(PROGRAMS)/.dir

$(PROGRAMS)/.dir:
	@mkdir -p $(@D)
	@touch $@

# How a name is built differently from its source's plain form.
$(PROGRAMS)/frames $(PROGRAMS)/frames_cxx $(PROGRAMS)/frames_static_pie \
$(PROGRAMS)/deep $(PROGRAMS)/deep_static $(PROGRAMS)/deep200 $(PROGRAMS)/edges: FLAGS := -fomit-frame-pointer
$(PROGRAMS)/deep_fp $(PROGRAMS)/deep200_fp $(PROGRAMS)/edges_fp: FLAGS := -fno-omit-frame-pointer
$(PROGRAMS)/deep200 $(PROGRAMS)/deep200_fp: FLAGS += -DDEPTH=200
$(PROGRAMS)/again $(PROGRAMS)/soak $(PROGRAMS)/pairs $(PROGRAMS)/passed_on $(PROGRAMS)/deferred $(PROGRAMS)/exec_by_thread $(PROGRAMS)/contended $(PROGRAMS)/split_code $(PROGRAMS)/killed $(PROGRAMS)/threads $(PROGRAMS)/thread_first $(PROGRAMS)/thread_caches $(PROGRAMS)/ends \
$(PROGRAMS)/threads_static: FLAGS := -pthread
ifeq ($(MACHINE),x86_64)
$(PROGRAMS)/bare_start: FLAGS := -nostartfiles
endif
$(PROGRAMS)/ctor: LIBS := -L$(PROGRAMS) -lctor -Wl,-rpath,'$$ORIGIN'
$(PROGRAMS)/ctor: $(PROGRAMS)/libctor.so
$(PROGRAMS)/wrong_frees_hidden: LIBS := -L$(PROGRAMS) -lhidden -Wl,-rpath,'$$ORIGIN'
$(PROGRAMS)/wrong_frees_hidden: $(PROGRAMS)/libhidden.so
$(PROGRAMS)/again $(PROGRAMS)/dlopened $(PROGRAMS)/deferred $(PROGRAMS)/twins $(PROGRAMS)/late: LIBS := -ldl
$(PROGRAMS)/busy_cxx: FLAGS := -pthread
$(PROGRAMS)/registers: FLAGS := -pthread -fno-builtin
$(PROGRAMS)/reallocs $(PROGRAMS)/vanishing: FLAGS := -fno-builtin
$(PROGRAMS)/leaks: FLAGS := -pthread -fno-builtin -fno-allocation-dce
$(PROGRAMS)/leaks_cxx: FLAGS := -fno-builtin -fno-allocation-dce
$(PROGRAMS)/leaks_odd: FLAGS := -std=c++20 -pthread -fno-builtin -fno-allocation-dce
$(PROGRAMS)/leaks_odd: LIBS := -ldl -Wl,-z,now
$(PROGRAMS)/leaks_odd: $(PROGRAMS)/libkeeper.so
$(PROGRAMS)/leaks: LIBS := -ldl -Wl,-z,now
$(PROGRAMS)/leaks: $(PROGRAMS)/libkeeper.so
$(PROGRAMS)/libpass.so: LIBS := -ldl
$(PROGRAMS)/own_malloc $(PROGRAMS)/sampled_kinds: FLAGS := -fno-builtin
DIAGNOSED := $(addprefix $(PROGRAMS)/,cause_never_freed cause_mismatched cause_destructor cause_cycle \
	wrong_frees wrong_frees_own wrong_frees_static libhidden.so clean_own_operators clean_objects clean_threads)
$(DIAGNOSED): FLAGS := -fno-builtin -fno-optimize-sibling-calls -Wno-mismatched-new-delete -Wno-delete-non-virtual-dtor -Wno-array-bounds
$(PROGRAMS)/clean_objects: FLAGS += -std=c++20 -fcoroutines
$(DIAGNOSED): tests/programs/findings.h
$(PROGRAMS)/jemalloc_api: LIBS := -ljemalloc
$(PROGRAMS)/mimalloc_api: LIBS := -lmimalloc
$(PROGRAMS)/tcmalloc_api: LIBS := -ltcmalloc_minimal
$(PROGRAMS)/soak $(PROGRAMS)/pairs: LIBS := -ldl
$(PROGRAMS)/resources: LIBS := -ldl -pthread
$(PROGRAMS)/worked_sqlite: LIBS = $(shell $(PKG_CONFIG) --libs sqlite3)
$(PROGRAMS)/worked_apr: FLAGS = $(shell $(PKG_CONFIG) --cflags apr-1)
$(PROGRAMS)/worked_apr: LIBS = $(shell $(PKG_CONFIG) --libs apr-1)
$(PROGRAMS)/worked_glib: FLAGS = $(shell $(PKG_CONFIG) --cflags glib-2.0)
$(PROGRAMS)/worked_glib: LIBS = $(shell $(PKG_CONFIG) --libs glib-2.0)
$(PROGRAMS)/libpass.so $(PROGRAMS)/libfaults.so: FLAGS := -fno-builtin
$(PROGRAMS)/libbump.so: FLAGS := -fno-builtin -Wl,-soname,libbump.so
$(PROGRAMS)/libplugin_b.so: FLAGS := -DPLUGIN=plugin_b

# Quiet, as the Makefile is.
PROGRAM_LINK = @echo '  CC      $@'; $(CC) $(PROGRAM_FLAGS) $(FLAGS) -o $@ $< $(LIBS)
PROGRAM_CXX_LINK = @echo '  CXX     $@'; $(CXX) -std=c++17 $(PROGRAM_FLAGS) $(FLAGS) -o $@ $< $(LIBS)
PROGRAM_MUSL = @echo '  MUSL    $@'; musl-gcc $(PROGRAM_FLAGS) $(FLAGS) -o $@ $< $(LIBS)

$(PROGRAMS)/%: tests/programs/%.c tests/programs/expect.h
	$(PROGRAM_LINK)

$(PROGRAMS)/%: tests/programs/%.cc tests/programs/expect.h
	$(PROGRAM_CXX_LINK)

$(PROGRAMS)/deep%: tests/programs/deep.c tests/programs/expect.h
	$(PROGRAM_LINK)

$(PROGRAMS)/edges%: tests/programs/edges.c tests/programs/expect.h
	$(PROGRAM_LINK)

# With C++'s operators in the program, and in a library that exports them to nobody.
$(PROGRAMS)/%_own: tests/programs/%.cc tests/programs/expect.h
	$(PROGRAM_CXX_LINK) -static-libstdc++ -static-libgcc

$(PROGRAMS)/libhidden.so: tests/programs/wrong_frees.cc
	$(PROGRAM_CXX_LINK) -Dmain=wrong_frees -shared -fPIC -static-libstdc++ -static-libgcc \
		-Wl,--exclude-libs,ALL

$(PROGRAMS)/%_static: tests/programs/%.c tests/programs/expect.h
	$(PROGRAM_LINK) -static -DEXPECT_STATIC

$(PROGRAMS)/%_static: tests/programs/%.cc tests/programs/expect.h
	$(PROGRAM_CXX_LINK) -static -DEXPECT_STATIC

$(PROGRAMS)/%_static_pie: tests/programs/%.c tests/programs/expect.h
	$(PROGRAM_LINK) -static-pie -DEXPECT_STATIC_PIE

$(PROGRAMS)/%_nopie: tests/programs/%.c tests/programs/expect.h
	$(PROGRAM_LINK) -no-pie -fno-pie

# Unwind information in the separate debug file alone (that of the C runtime's start files excepted).
$(PROGRAMS)/frames_split: tests/programs/frames.c tests/programs/expect.h
	@echo '  CC      $@'; $(CC) $(PROGRAM_FLAGS) -fomit-frame-pointer -fno-asynchronous-unwind-tables \
		-fno-exceptions -o $@ $< && $(OBJCOPY) --only-keep-debug $@ $@.debug && \
		$(STRIP) $@ && $(OBJCOPY) --add-gnu-debuglink=$@.debug $@

$(PROGRAMS)/%_stripped: $(PROGRAMS)/%
	@echo '  STRIP   $@'; $(STRIP) -o $@ $<

$(PROGRAMS)/%_musl: tests/programs/%.c tests/programs/expect.h
	$(PROGRAM_MUSL)

$(PROGRAMS)/%_musl_static: tests/programs/%.c tests/programs/expect.h
	$(PROGRAM_MUSL) -static

# Allocators that are linked into the program.
JEMALLOC_LIBS := -Wl,-Bstatic -ljemalloc -Wl,-Bdynamic -pthread -ldl -lm
TCMALLOC_LIBS := -Wl,-Bstatic -ltcmalloc_minimal -Wl,-Bdynamic -pthread

$(PROGRAMS)/%_jemalloc: tests/programs/%.c tests/programs/expect.h
	$(PROGRAM_LINK) $(JEMALLOC_LIBS)

$(PROGRAMS)/%_jemalloc: tests/programs/%.cc tests/programs/expect.h
	$(PROGRAM_CXX_LINK) $(JEMALLOC_LIBS)

$(PROGRAMS)/%_jemalloc_static: tests/programs/%.c tests/programs/expect.h
	$(PROGRAM_LINK) -static -ljemalloc -pthread -lm

$(PROGRAMS)/%_tcmalloc: tests/programs/%.cc tests/programs/expect.h
	$(PROGRAM_CXX_LINK) $(TCMALLOC_LIBS)

$(PROGRAMS)/%_tcmalloc_static: tests/programs/%.cc tests/programs/expect.h
	$(PROGRAM_CXX_LINK) -static -ltcmalloc_minimal -pthread

$(PROGRAMS)/%_rust: tests/programs/%.rs
	@echo '  RUST    $@'; env -u MAKEFLAGS -u MFLAGS rustc -O -g -o $@ $<

$(PROGRAMS)/%_go: tests/programs/%.go
	@echo '  GO      $@'; GO111MODULE=off GOFLAGS= go build -o $@ $<

$(PROGRAMS)/%_cgo: tests/programs/%_cgo.go
	@echo '  GO      $@'; GO111MODULE=off GOFLAGS= CGO_ENABLED=1 go build -o $@ $<

$(PROGRAMS)/libplugin_a.so $(PROGRAMS)/libplugin_b.so: tests/programs/libplugin.c
	$(PROGRAM_LINK) -shared -fPIC

# The same with notes of <sys/sdt.h>: arguments in registers; in memory.
$(PROGRAMS)/libbump_sites.so: FLAGS := -fno-builtin -DSITES
$(PROGRAMS)/libbump_sites_O0.so: FLAGS := -fno-builtin -DSITES -O0
$(PROGRAMS)/libbump_sites.so $(PROGRAMS)/libbump_sites_O0.so: tests/programs/libbump.c
	$(PROGRAM_LINK) -shared -fPIC

$(PROGRAMS)/lib%.so: tests/programs/lib%.c
	$(PROGRAM_LINK) -shared -fPIC
