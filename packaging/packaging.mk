# SPDX-License-Identifier: GPL-2.0-or-later
# make dist       $(BUILD)/memleak-bpf-VERSION.tar.gz of what is committed
# make deb        $(BUILD)/packages/memleak-bpf_VERSION_ARCH.deb
# make check-deb  install it into a fresh Debian (SUITE=bookworm), and try it there; needs root and the network
# make check-rpm  what rpmbuild says of the spec, and a source package

DIST := memleak-bpf-$(VERSION)
PACKAGES_DIR := $(BUILD)/packages
SUITE ?= bookworm

.PHONY: dist deb check-deb check-rpm
dist: $(BUILD)/$(DIST).tar.gz

$(BUILD)/$(DIST).tar.gz: $(wildcard .git/HEAD .git/logs/HEAD)
	@mkdir -p $(@D)
	git archive --format=tar.gz --prefix=$(DIST)/ -o $@ HEAD

deb: dist
	rm -rf $(PACKAGES_DIR)
	mkdir -p $(PACKAGES_DIR)
	tar -C $(PACKAGES_DIR) -xf $(BUILD)/$(DIST).tar.gz
	cp -r packaging/debian $(PACKAGES_DIR)/$(DIST)/debian
	cd $(PACKAGES_DIR)/$(DIST) && env -u MAKEFLAGS -u MFLAGS dpkg-buildpackage -b -us -uc
	@ls $(PACKAGES_DIR)/*.deb

check-deb: deb
	tests/packaging/chroot $(SUITE) $(PACKAGES_DIR)/memleak-bpf_$(VERSION)_*.deb

check-rpm: dist
	mkdir -p $(BUILD)/rpm
	rpmspec -q packaging/memleak-bpf.spec
	rpmbuild -bs --define '_topdir $(CURDIR)/$(BUILD)/rpm' --define '_sourcedir $(CURDIR)/$(BUILD)' \
		packaging/memleak-bpf.spec
