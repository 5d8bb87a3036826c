# SPDX-License-Identifier: GPL-2.0-or-later
# The profiles that the tests in a browser open. Included by the Makefile of the project.

BROWSER_PROFILES := $(BUILD)/tests/browser/profiles

$(BROWSER_PROFILES): $(BUILD)/tests/browser/profiles.o $(MODULES)
	@echo '  LINK    $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

programs: $(BROWSER_PROFILES)
