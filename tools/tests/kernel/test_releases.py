# SPDX-License-Identifier: GPL-2.0-only
"""Reading other Debian suites."""

from locked_rmap.kernel import releases

from ..support import Case


class MirrorTest(Case):
    """From the machine's own mirrors to a sources.list."""

    def test_mirrors_are_told_by_label_and_origin(self) -> None:
        found = releases.mirrors("Debian|Debian|http://a/debian/\nDebian|Debian|http://b/debian/\n"
                               "Debian-Security|Debian|http://a/security/\n"
                               "Debian Backports|Debian|http://c/\n||http://d/\nDebian|Other|http://e/\n")
        self.assertEqual(found, {"Debian": "http://a/debian/", "Debian-Security": "http://a/security/"})

    def test_every_suite_is_asked_of_its_own_mirror(self) -> None:
        text = releases.sources({"Debian": "http://a/debian/", "Debian-Security": "http://s/"}, "amd64")
        self.assertIn("] http://a/debian/ trixie-backports main\n", text)
        self.assertIn("] http://s/ trixie-security main\n", text)
        self.assertNotIn("http://s/ sid", text)
        for line in text.splitlines():
            self.assertRegex(line, r"^deb \[signed-by=/\S+ arch=amd64 target=Packages ")

    def test_without_a_security_mirror_the_others_are_asked(self) -> None:
        self.assertNotIn("security", releases.sources({"Debian": "http://a/debian/"}, "amd64"))
