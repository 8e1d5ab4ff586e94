# SPDX-License-Identifier: GPL-2.0-only
"""Small trees: a walk with the rules of rmap.c, and one file more."""

from typing import Dict, List, Optional

from locked_rmap.static.callers import Call
from locked_rmap.static.questions import Questions
from locked_rmap.static.world import World

from ..support import Case, kernel_tree, write

#: A walk with the rules of rmap.c, and what the small trees need of it.
RMAP_C = """
#include <linux/rmap.h>
struct anon_vma *folio_lock_anon_vma_read(struct folio *folio, struct rmap_walk_control *rwc)
{
	unsigned long mapping;
retry:
	mapping = (unsigned long)READ_ONCE(folio->mapping);
	if (down_read_trylock(&root->rwsem)) {
		if (READ_ONCE(folio->mapping) != mapping)
			goto retry;
		return root;
	}
	down_read(&root->rwsem);
	if (READ_ONCE(folio->mapping) != mapping)
		goto retry;
	return root;
}

static void rmap_walk_anon(struct folio *folio, struct rmap_walk_control *rwc, bool locked)
{
	rwc->anon_lock(folio, rwc);
}

void rmap_walk(struct folio *folio, struct rmap_walk_control *rwc)
{
	rmap_walk_anon(folio, rwc, false);
}

void locks_by_itself(struct folio *folio)
{
	folio_lock(folio);
	rmap_walk(folio, &rwc);
	folio_unlock(folio);
}
"""


class TreeCase(Case):
    """A small tree with one file more."""

    def look(self, text: str, name: str = "drivers/misc/walker.c",
             more: Optional[Dict[str, str]] = None) -> List[Call]:
        """The sites in a tree whose file @name holds @text."""
        tree = kernel_tree(self.temp / "tree")
        write(tree / "mm/rmap.c", RMAP_C)
        write(tree / name, text)
        for path, content in (more or {}).items():
            write(tree / path, content)
        world = World(tree, self.console)
        world.look()
        return [call for call in Questions(world).calls() if call.function != "locks_by_itself"]

    def one(self, text: str, name: str = "drivers/misc/walker.c",
            more: Optional[Dict[str, str]] = None) -> Call:
        """The only site of such a tree."""
        sites = self.look(text, name, more)
        self.assertEqual(len(sites), 1, sites)
        return sites[0]

    def body(self, text: str, more: Optional[Dict[str, str]] = None) -> Call:
        """The site in a function whose body is @text, with a folio that was looked up."""
        return self.one(
            "static void scan(unsigned long pfn)\n{\n"
            "\tstruct folio *folio = page_folio(pfn_to_page(pfn));\n"
            f"\tint ret;\n\n{text}\n}}\n", more=more)
