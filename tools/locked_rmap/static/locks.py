# SPDX-License-Identifier: GPL-2.0-only
"""Functions of mm that lock, unlock and test the folio lock, or turn a page into its folio."""

import re

LOCK = frozenset(("folio_lock", "lock_page", "__folio_lock", "__lock_page"))
KILLABLE = frozenset(("folio_lock_killable", "lock_page_killable", "__folio_lock_killable",
                      "__lock_page_killable"))
TRYLOCK = frozenset(("folio_trylock", "trylock_page"))
UNLOCK = frozenset(("folio_unlock", "unlock_page", "__folio_unlock", "folio_end_read"))
TOUCH = LOCK | KILLABLE | TRYLOCK | UNLOCK
#: These return their folio locked, says their kernel-doc (mm/filemap.c, include/linux/pagemap.h).
RETURN_LOCKED = frozenset((
    "filemap_lock_folio", "filemap_grab_folio", "find_lock_page", "find_lock_entry",
    "find_or_create_page", "grab_cache_page", "grab_cache_page_nowait",
    "grab_cache_page_write_begin", "pagecache_get_locked"))
#: These do so if a flag says it.
MAY_RETURN_LOCKED = frozenset((
    "__filemap_get_folio", "pagecache_get_page", "__filemap_get_folio_mpol"))
#: Success means that the folio belongs to a DAX mapping: they look for dax_mapping() (fs/dax.c).
DAX_ONLY = frozenset(("dax_lock_folio", "dax_lock_page"))
#: Their result is their first argument, or the folio that it is a page of.
SAME = frozenset(("page_folio", "compound_head", "folio_page", "likely", "unlikely", "data_race",
                  "READ_ONCE", "READ_ONCE_NOCHECK", "smp_load_acquire", "rcu_dereference",
                  "ACCESS_ONCE", "_compound_head", "page_head", "__builtin_expect"))
TESTS = {"folio_test_anon": "anon", "PageAnon": "anon", "folio_test_ksm": "ksm", "PageKsm": "ksm",
         "folio_test_hugetlb": "hugetlb", "PageHuge": "hugetlb"}
IS_LOCKED = frozenset(("folio_test_locked", "PageLocked"))
WARN = re.compile(r"(?:VM_)?WARN(?:_ON)?(?:_ONCE)?(?:_ON)?(?:_FOLIO|_PAGE|_VMA|_MM)?(?:_ONCE)?$")
BUG = re.compile(r"(?:VM_)?BUG_ON(?:_FOLIO|_PAGE|_PGFLAGS|_VMA|_MM)?$")
ASSERT = re.compile(r"assert|bug_?on|warn_?on", re.I)
#: They are given the address of a variable, but leave the folio pointers in it alone.
LEAVES = re.compile(r"(?:list|hlist|spin|mutex|raw_spin|down|up|atomic\w*|INIT|init|rmap_walk|"
                    r"mmu_notifier|xa|xas)_")
