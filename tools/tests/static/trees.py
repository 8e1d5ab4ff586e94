# SPDX-License-Identifier: GPL-2.0-only
"""Small trees that clang compiles: the least of kbuild, of the kernel's headers and of rmap.c."""

import os
import tempfile
from pathlib import Path
from typing import Dict, List, Optional
from unittest import mock

from locked_rmap.static.callers import Call
from locked_rmap.static.contract import Static, read_source

from ..support import MAKEFILE, REPO, Case, kernel_tree, write

#: kbuild's targets that `check` asks for.
KBUILD = MAKEFILE + """
allmodconfig allnoconfig:
	@mkdir -p $(O)/include/config
	@sed -n '/^CONFIG/p' $(KCONFIG_ALLCONFIG) > $(O)/include/config/auto.conf
prepare:
FORCE:
%.ll: %.c FORCE
	@mkdir -p $(O)/$(dir $@)
	@test $(O)/$@ -nt $< && test $(O)/$@ -nt include/linux/rmap.h || \\
	 $(CC) -I$(CURDIR)/include $(KCFLAGS) -emit-llvm -S -o $(O)/$@ $(CURDIR)/$<
"""
RMAP_H = """
#ifndef _RMAP_H
#define _RMAP_H
#define NULL ((void *)0)
#define bool _Bool
#define true 1
#define false 0
#define container_of(p, t, m) ((t *)((char *)(p) - __builtin_offsetof(t, m)))
#define list_for_each_entry(p, h, m) \\
	for (p = container_of((h)->next, __typeof__(*p), m); &p->m != (h); \\
	     p = container_of(p->m.next, __typeof__(*p), m))
#define BUG() do { asm volatile("ud2 # __bug_table"); __builtin_unreachable(); } while (0)
#define WARN() asm volatile("ud2 # __bug_table")
#define WARN_ON(c) ({ int __r = !!(c); if (__r) WARN(); __r; })
#define VM_BUG_ON_FOLIO(c, f) do { if (c) BUG(); } while (0)
#define VM_WARN_ON_FOLIO(c, f) do { if (c) WARN(); } while (0)
typedef unsigned long pgoff_t;
struct list_head { struct list_head *next, *prev; };
struct page { unsigned long flags; };
struct folio { unsigned long flags; struct list_head lru; void *mapping; pgoff_t index; };
struct anon_vma;
struct rmap_walk_control {
	void *arg;
	struct anon_vma *(*anon_lock)(struct folio *, struct rmap_walk_control *);
};
extern struct page vmemmap[];
extern bool some(void);
void list_add(struct list_head *one, struct list_head *head);
void __folio_lock(struct folio *folio);
int __folio_lock_killable(struct folio *folio);
bool test_and_set_bit_lock(long nr, unsigned long *word);
void clear_bit_unlock(long nr, unsigned long *word);
static inline bool folio_trylock(struct folio *folio)
{
	return !test_and_set_bit_lock(0, &folio->flags);
}
static inline void folio_lock(struct folio *folio)
{
	if (!folio_trylock(folio))
		__folio_lock(folio);
}
static inline int folio_lock_killable(struct folio *folio)
{
	return folio_trylock(folio) ? 0 : __folio_lock_killable(folio);
}
static inline void folio_unlock(struct folio *folio) { clear_bit_unlock(0, &folio->flags); }
static inline bool folio_test_locked(struct folio *folio) { return folio->flags & 1; }
static inline bool folio_test_anon(struct folio *folio)
{
	return ((unsigned long)folio->mapping & 1) != 0;
}
static inline bool folio_test_ksm(struct folio *folio)
{
	return ((unsigned long)folio->mapping & 3) == 3;
}
static inline unsigned long _compound_head(struct page *page) { return (unsigned long)page; }
static inline struct folio *page_folio(struct page *page)
{
	return (struct folio *)_compound_head(page);
}
static inline struct page *pfn_to_page(unsigned long pfn) { return vmemmap + pfn; }
static inline struct folio *pfn_folio(unsigned long pfn) { return page_folio(pfn_to_page(pfn)); }
static inline void lock_page(struct page *page) { folio_lock(page_folio(page)); }
static inline void *ERR_PTR(long error) { return (void *)error; }
static inline bool IS_ERR(const void *p) { return (unsigned long)p >= (unsigned long)-4095; }
void folio_put(struct folio *folio);
struct anon_vma *folio_lock_anon_vma_read(struct folio *folio, struct rmap_walk_control *rwc);
void rmap_walk(struct folio *folio, struct rmap_walk_control *rwc);
#endif
"""
#: A walk with the rules of rmap.c.
RMAP_C = """#include <linux/rmap.h>
bool down_read_trylock(void *rwsem);
void down_read(void *rwsem);

struct anon_vma *folio_lock_anon_vma_read(struct folio *folio, struct rmap_walk_control *rwc)
{
	void *mapping, *root;
retry:
	mapping = *(void *volatile *)&folio->mapping;
	root = (void *)((unsigned long)mapping - 1);
	if (down_read_trylock(root)) {
		if (*(void *volatile *)&folio->mapping != mapping)
			goto retry;
		return root;
	}
	down_read(root);
	if (*(void *volatile *)&folio->mapping != mapping)
		goto retry;
	return root;
}

static void rmap_walk_anon(struct folio *folio, struct rmap_walk_control *rwc)
{
	if (rwc->anon_lock)
		rwc->anon_lock(folio, rwc);
	folio_lock_anon_vma_read(folio, rwc);
}

void rmap_walk(struct folio *folio, struct rmap_walk_control *rwc)
{
	if (folio_test_anon(folio))
		rmap_walk_anon(folio, rwc);
}

void locks_by_itself(unsigned long pfn)
{
	struct folio *folio = pfn_folio(pfn);

	folio_lock(folio);
	rmap_walk(folio, 0);
	folio_unlock(folio);
}
"""


def small_tree(base: Path, kunit_py: str = "") -> Path:
    """A tree that `check` can compile, and that honours `locked`."""
    tree = kernel_tree(base, kunit_py)
    write(tree / "Makefile", KBUILD)
    write(tree / "include/linux/rmap.h", RMAP_H)
    write(tree / "mm/rmap.c", RMAP_C)
    return tree


#: The tests of a run build rmap-static once.
_CACHE = tempfile.TemporaryDirectory(prefix="locked-rmap-test-")


class TreeCase(Case):
    """Small trees."""

    def setUp(self) -> None:
        super().setUp()
        patch = mock.patch.dict(os.environ, {"LOCKED_RMAP_CACHE": _CACHE.name})
        patch.start()
        self.addCleanup(patch.stop)

    def read(self, files: Dict[str, str]) -> Static:
        """What is found in a tree with @files more."""
        tree = small_tree(self.temp / "tree")
        for path, text in files.items():
            write(tree / path, f"#include <linux/rmap.h>\n{text}")
        return read_source(REPO, tree, self.console)

    def calls(self, text: str, more: Optional[Dict[str, str]] = None) -> List[Call]:
        """The calls in a file that holds @text."""
        found = self.read({"drivers/misc/walker.c": text, **(more or {})})
        return [call for call in found.calls if call.file != "mm/rmap.c"]
