# SPDX-License-Identifier: Apache-2.0
"""tools/check-docs."""

import pytest

GOOD = {
    "README.md": "# Top\n\nSee [docs](docs/a.md), [a part](docs/a.md#second-part-of-it), [here](#top),\n"
                 "[a folder](docs), [the web](https://example.com/x), `[no](link.md)`.\n"
                 "```\n[nor](this.md)\n```\n",
    "docs/a.md": "# A\n\n## Second `part` of it!\n\n![picture](img.svg) and [up](../README.md)\n",
    "docs/img.svg": "",
}

BAD = [
    ("README.md", "[x](docs/none.md) [a](docs/a.md)\n", "README.md:1: link to docs/none.md"),
    ("README.md", "[a](docs/a.md)\n\n[x](docs/a.md#third)\n", "README.md:3: link to docs/a.md#third"),
    ("README.md", "[a](docs/a.md) [x](#nowhere)\n", "README.md:1: link to #nowhere"),
    ("docs/b.md", "# Alone\n", "docs/b.md:1: no other page links here"),
    ("README.md", "[a](docs/a.md)\n```\ncode\n", "README.md:1: a code fence is not closed"),
    ("docs/a.md", "[x](img.png)\n\n# Second part of it\n", "docs/a.md:1: link to img.png"),
]


def test_good_pages_pass(gate):
    assert gate("check-docs", GOOD) == (0, "")


@pytest.mark.parametrize("path,text,expected", BAD, ids=range(len(BAD)))
def test_each_rule_can_fail(gate, path, text, expected):
    status, output = gate("check-docs", GOOD | {path: text})
    assert status == 1
    assert output.startswith(expected)
    assert output.count("\n") == 1


TABLE = "# Work\n\n| folder | |\n|---|---|\n| `core/a/` | one |\n| `docs/` | two |\n"
SOURCES = GOOD | {"meson.build": "", "core/a/x.c": "", "core/x.c": "", "docs/man/x.1": "",
                  "CONTRIBUTING.md": TABLE + "| `plugins/NAME/` | three |\n", "plugins/b/x.c": ""}


def test_every_folder_is_in_the_table(gate):
    assert gate("check-docs", SOURCES) == (0, "")


@pytest.mark.parametrize("path,expected", [
    ("core/b/x.c", "CONTRIBUTING.md:1: the table of folders does not have core/b/\n"),
    ("core/b/deep/x.c", "CONTRIBUTING.md:1: the table of folders does not have core/b/\n"),
    ("tests/npm/x.js", "CONTRIBUTING.md:1: the table of folders does not have tests/npm/\n"),
    ("schema/x.sql", "CONTRIBUTING.md:1: the table of folders does not have schema/\n"),
    (".ci/run", "CONTRIBUTING.md:1: the table of folders does not have .ci/\n")])
def test_a_folder_that_the_table_does_not_have(gate, path, expected):
    assert gate("check-docs", SOURCES | {path: ""}) == (1, expected)


def test_a_folder_that_is_not_there(gate):
    files = SOURCES | {"CONTRIBUTING.md": SOURCES["CONTRIBUTING.md"] + "| `core/gone/` | four |\n"}
    assert gate("check-docs", files) == (1, "CONTRIBUTING.md:8: there is no folder core/gone/\n")
