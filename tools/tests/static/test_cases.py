# SPDX-License-Identifier: GPL-2.0-only
"""What is read of KUnit tests from their source."""

from typing import Dict

from locked_rmap.static import cases

from ..support import REPO, Case, write

MAIN = """#include "rmap/walk.c"

static struct kunit_case rmap_test_cases[] = {
\tKUNIT_CASE(walk_a),
\tKUNIT_CASE_SLOW(walk_b),
\tKUNIT_CASE(walk_c),
\tKUNIT_CASE(walk_d),
\t{}
};
"""
WALK = """// SPDX-License-Identifier: GPL-2.0-only
/*
 * About the file, and about no test.
 */

static void walk_a(struct kunit *test)
{
\trmap_kunit_needs_contract(test, RMAP_KUNIT_LOCKED);
}

static void walk_of(struct kunit *test, bool huge)
{
\tif (huge)
\t\tkunit_skip(test, "needs CONFIG_HUGE");
\tif (!IS_ENABLED(CONFIG_KSM))
\t\tkunit_skip(test, "needs CONFIG_KSM");
\tkunit_skip(test, "needs %d pages", 3);
}

/* It says the rule
 * on two lines. */
static void walk_b(struct kunit *test)
{
\twalk_of(test, false);
}

#ifdef CONFIG_PROBES

/* One. */
static void walk_c(struct kunit *test)
{
\trmap_kunit_probe(test);
}

/*
 * Two.
 */
static void walk_d(struct kunit *test)
{
}

#else

static void walk_c(struct kunit *test)
{
\tkunit_skip(test, "needs CONFIG_PROBES");
}

#define walk_d walk_c

#endif
"""
HELPERS = """void rmap_kunit_probe(struct kunit *test)
{
\tkunit_skip(test,
\t\t   "needs arguments");
}
"""


class ReadTest(Case):
    """What is said of each test."""

    def setUp(self) -> None:
        super().setUp()
        write(self.temp / "mm/tests/rmap_kunit.c", MAIN)
        write(self.temp / "mm/tests/rmap/walk.c", WALK)
        write(self.temp / "mm/tests/rmap_kunit_helpers/watch.c", HELPERS)

    def read(self) -> Dict[str, cases.Case]:
        """The tests, by name."""
        return {case.name: case for case in cases.read(self.temp, "rmap")}

    def test_tests_are_in_their_order(self) -> None:
        self.assertEqual(list(self.read()), ["walk_a", "walk_b", "walk_c", "walk_d"])
        self.assertEqual(self.read()["walk_a"].full_name, "rmap.walk_a")

    def test_rule_is_the_comment_right_above(self) -> None:
        self.assertEqual([case.rule for case in self.read().values()],
                         ["", "It says the rule on two lines.", "One.", "Two."])

    def test_contract_is_the_one_that_is_asked_for(self) -> None:
        self.assertEqual([case.contract for case in self.read().values()], ["locked", "", "", ""])

    def test_needs_come_from_whatever_is_called(self) -> None:
        self.assertEqual(self.read()["walk_c"].skips, ["needs CONFIG_PROBES", "needs arguments"])

    def test_a_reason_that_hangs_on_an_argument_or_a_number_says_nothing(self) -> None:
        self.assertEqual(self.read()["walk_b"].skips, ["needs CONFIG_KSM"])

    def test_an_alias_needs_what_the_test_that_skips_does(self) -> None:
        self.assertEqual(self.read()["walk_d"].skips, ["needs CONFIG_PROBES"])


class SuitesTest(Case):
    """The suites of this repository."""

    def test_what_tests_need_is_found(self) -> None:
        found = {case.name: case for suite in cases.SUITES for case in cases.read(REPO, suite)}
        self.assertEqual(found["walk_asserts_folio_lock"].contract, "locked")
        self.assertIn("needs CONFIG_DEBUG_VM", found["walk_asserts_folio_lock"].skips)
        self.assertIn("needs CONFIG_KSM", found["ksm_folio_gives_null"].skips)
        self.assertEqual(found["memory_failure_takes_a_page_out_of_use"].contract, "")
