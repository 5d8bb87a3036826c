# SPDX-License-Identifier: GPL-2.0-or-later
# make soak   processes, threads, libraries and programs that come and go under -A with a leak check in every report,
#             for SOAK_SECONDS (300); SOAK_FLAGS=--cgroup keeps it from the rest of the machine (needs patchelf)

SOAK_SECONDS ?= 300
SOAK_FLAGS ?= -A

.PHONY: soak
soak: all programs
	tests/soak/soak.py $(CURDIR)/$(PROGRAM) $(PROGRAMS) $(SOAK_SECONDS) $(SOAK_FLAGS)
