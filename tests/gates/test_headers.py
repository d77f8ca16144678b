# SPDX-License-Identifier: Apache-2.0
"""tools/check-headers: C99 and C++11, alone."""

import subprocess

import pytest

BAD = {
    "C11 only": '_Static_assert(1, "");\n',
    "needs a header it does not include": "size_t f(void);\n",
    "no C++": "struct s { int class; };\n",
    "a warning": "static int f(int x) { return 1; }\n",
}


def test_the_sdk_compiles_alone(root):
    done = subprocess.run([root / "tools/check-headers"], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_header_that_does_not_fails(gate, text):
    good = "#include <stddef.h>\nstruct provost_s { size_t n; };\n"
    files = {"sdk/include/provost/a.h": good}
    assert gate("check-headers", files) == (0, "")
    status, output = gate("check-headers", files | {"sdk/include/provost/b.h": text})
    assert status == 1
    assert "sdk/include/provost/b.h does not compile alone as " in output
    assert "sdk/include/provost/a.h" not in output
