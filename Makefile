# SPDX-License-Identifier: GPL-2.0-only
#
# make run   [KERNEL=6.12] [ARCH=um|x86_64|arm64] [STAGE="stock locked"]
#            [CONTRACT=locked|revalidate] [TREE=DIR] [DEBUG=1]
#            [TESTS=SUITE_GLOB] [REPEAT=N] [ARGS="more options"]
#            the suites on a kernel, stock beside patched
# make test  [ARGS="CHECK ..."]  the project's own tests
# make test-all                  those too that take long
# make clean                     removes the results
#
# All else is tools/locked-rmap VERB; see tools/locked-rmap --help.

TOOL := tools/locked-rmap

# Only what was asked for on make's own command line counts: kernel developers
# often have ARCH in their environment for other work.
arg = $(if $(filter command line,$(origin $(1))),$(if $($(1)),$(2)))
opt = $(call arg,$(1),$(2) '$($(1))')
VARIABLES := KERNEL ARCH STAGE CONTRACT TREE DEBUG REPEAT TESTS
none = $(foreach v,$(VARIABLES),$(if $(call arg,$(v),x),$(error \
	make $@ takes no $(v)=, only ARGS=)))

.PHONY: all run test test-all clean
all: run

run:
	@$(TOOL) run $(call opt,KERNEL,--kernel) $(call opt,ARCH,--arch) \
		$(call arg,STAGE,$(foreach s,$(STAGE),--stage '$(s)')) \
		$(call opt,CONTRACT,--contract) $(call opt,TREE,--tree) \
		$(call arg,DEBUG,--debug) $(call opt,REPEAT,--repeat) $(ARGS) \
		$(call arg,TESTS,'$(TESTS)')

test:
	@$(none)$(TOOL) test $(ARGS)

test-all:
	@$(none)$(TOOL) test --all $(ARGS)

# The results only; the cache of kernels and builds lies outside of the
# repository (see README.md).
clean:
	rm -rf build
