# SPDX-License-Identifier: Apache-2.0
"""tools/check-format."""

GOOD = "int twice(int x)\n{\n    return 2 * x;\n}\n"


def test_formatted_code_passes(gate):
    assert gate("check-format", {"core/a.c": GOOD}) == (0, "")


def test_other_layout_fails(gate):
    for bad in (GOOD.replace("    ", "\t"), GOOD.replace("\n{", " {"), "int  x;\n"):
        status, output = gate("check-format", {"core/a.c": GOOD, "core/b.h": bad})
        assert status != 0
        assert "core/b.h:" in output and "core/a.c" not in output
