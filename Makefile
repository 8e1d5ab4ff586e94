# SPDX-License-Identifier: GPL-2.0-only
#
# make run   [KERNEL=6.12] [ARCH=um|x86_64|arm64] [STAGE="stock locked"]
#            [CONTRACT=locked|revalidate] [TREE=DIR] [DEBUG=1]
#            [TESTS=SUITE_GLOB] [REPEAT=N] [ARGS="more options of the command"]
# make mutants [KERNEL=6.12] [ARCH=um|x86_64] [STAGE=batched] [TESTS="NAME ..."]
#            seeded defects: does a test catch each?
# make check TREE=DIR [ARCH="um x86_64"] [STATIC=1] [HTML=FILE] [JSON=FILE]
#            which contract does a tree of yours honour, and who breaks it?
# make selftests [KERNEL=6.12] [STAGE="stock locked"]
#            the kernel's own user-space tests of userfaultfd, in a guest
# make bench [KERNEL=6.12] [STAGE="stock batched"] [TREE=DIR]
#            what a move costs, in instructions, and who waits for whom
# make export MBOX=FILE [COVER=FILE] [KERNEL=6.12] [SIGNOFF=1]
# make export BRANCH=NAME TREE=DIR [BASE=REV] [SIGNOFF=1]
#            the series and the suites as commits (Documentation/export.rst)
# make test  the project's own tests; make test-all those too that take long

PYTHON ?= python3
TOOL := $(PYTHON) tools/locked-rmap

# Only what was asked for on make's own command line counts: kernel developers
# often have ARCH in their environment for other work.
arg = $(if $(filter command line,$(origin $(1))),$(if $($(1)),$(2)))
opt = $(call arg,$(1),$(2) '$($(1))')
# For a verb that takes no variables but $(1) and ARGS: the others may not be given.
takes = $(foreach v,$(filter-out $(1),$(VARIABLES)),$(if $(call arg,$(v),x),$(error \
	make $@ takes no $(v)=, only $(strip $(1) ARGS))))
VARIABLES := KERNEL ARCH STAGE CONTRACT TREE DEBUG REPEAT TESTS STATIC HTML JSON MBOX COVER BRANCH BASE SIGNOFF

run_args = $(call opt,KERNEL,--kernel) $(call opt,ARCH,--arch) \
	$(call arg,STAGE,$(foreach s,$(STAGE),--stage '$(s)')) \
	$(call opt,CONTRACT,--contract) $(call opt,TREE,--tree) \
	$(call arg,DEBUG,--debug) $(call opt,REPEAT,--repeat) $(ARGS) $(call arg,TESTS,'$(TESTS)')

.PHONY: all run mutants check selftests bench export test test-all clean
all: run

run:
	@$(call takes,KERNEL ARCH STAGE CONTRACT TREE DEBUG REPEAT TESTS)$(TOOL) run $(run_args)

mutants:
	@$(call takes,KERNEL ARCH STAGE TESTS)$(TOOL) mutants $(call opt,KERNEL,--kernel) \
		$(call opt,ARCH,--arch) $(call opt,STAGE,--stage) $(ARGS) $(call arg,TESTS,$(TESTS))

check:
	@$(call takes,TREE ARCH STATIC HTML JSON)$(TOOL) check \
		$(call opt,TREE,--tree) $(call arg,ARCH,$(foreach a,$(ARCH),--arch '$(a)')) \
		$(call arg,STATIC,--static) $(call opt,HTML,--html) $(call opt,JSON,--json) $(ARGS)

selftests:
	@$(call takes,KERNEL STAGE)$(TOOL) selftests $(call opt,KERNEL,--kernel) \
		$(call arg,STAGE,$(foreach s,$(STAGE),--stage '$(s)')) $(ARGS)

bench:
	@$(call takes,KERNEL STAGE TREE)$(TOOL) bench $(call opt,KERNEL,--kernel) \
		$(call arg,STAGE,$(foreach s,$(STAGE),--stage '$(s)')) $(call opt,TREE,--tree) $(ARGS)

export:
	@$(call takes,KERNEL MBOX COVER BRANCH TREE BASE SIGNOFF)$(TOOL) export \
		$(call opt,KERNEL,--kernel) $(call opt,MBOX,--mbox) $(call opt,COVER,--cover) \
		$(call opt,BRANCH,--branch) $(call opt,TREE,--tree) $(call opt,BASE,--base) \
		$(call arg,SIGNOFF,--signoff) $(ARGS)

test:
	@$(call takes,)$(TOOL) test $(ARGS)

test-all:
	@$(call takes,)$(TOOL) test --all $(ARGS)

# The results only; the cache of kernels and builds lies outside of the
# repository (see README.md).
clean:
	rm -rf build
