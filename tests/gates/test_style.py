# SPDX-License-Identifier: Apache-2.0
"""tools/check-style."""

import pytest

TAG = "/* SPDX-License-Identifier: Apache-2.0 */\n"
PY = "# SPDX-License-Identifier: Apache-2.0\n"

GOOD = TAG + """#define EACH(x) for (x = 0; x < 3; x++)
#define LONG(x) \\
    if (x) y()
/* if (x) is only a comment; so is malloc(3) */
int f(int x)
{
    const char *text = "if (x) strcpy(a, b); sleep(1)";
    do {
        x--;
    } while (x > 0);
    if (x == 1 || x <= 2 || x != 3 || x >= 4) {
        p->free(x);
        pv_free(x);
    } else if (call(x, (x))) {
        for (int i = 0; i < 3; i++) {
        }
    } else {
        switch (x) {
        }
    }
    return text != NULL;
}
"""


def body(line):
    return TAG + "void f(void)\n{\n    " + line + "\n}\n"


BAD = [
    ("core/a.c", "int f;\n", 1, "licence"),
    ("core/a.c", body("if (x)\n        y();"), 4, "`if` without braces"),
    ("core/a.c", body("if (x) {\n    } else\n        y();"), 5, "`else` without braces"),
    ("core/a.c", body("while (x)\n        y();"), 4, "`while` without braces"),
    ("core/a.c", body("for (;;)\n        y();"), 4, "`for` without braces"),
    ("core/a.c", body("do\n        y();\n    while (x);"), 4, "`do` without braces"),
    ("core/a.c", body("if ((x = y()) != 0) {\n    }"), 4, "assignment"),
    ("core/a.c", body("while ((x = y())) {\n    }"), 4, "assignment"),
    ("core/a.c", body("strcpy(a, b);"), 4, "strcpy"),
    ("plugins/p/p.c", body("sprintf(a, b);"), 4, "sprintf"),
    ("core/a.c", body("p = malloc(1);"), 4, "pv_malloc"),
    ("core/a.c", body("free(p);"), 4, "pv_free"),
    ("core/a.c", TAG + "/* TODO: the rest */\n", 2, "TODO"),
    ("docs/a.md", "This is Not yet implemented.\n", 1, "Not yet implemented"),
    ("docs/a.md", "See /work/somewhere for it.\n", 1, "path of one machine"),
    ("tests/a.c", body("usleep(10);"), 4, "waits by the clock"),
    ("tests/a.py", PY + "import time\ntime.sleep(1)\n", 3, "waits by the clock"),
    ("plugins/p/tests/a", "#!/bin/sh\n" + PY + "sleep 1\n", 3, "waits by the clock"),
    ("tools/a", "#!/bin/sh\n", 1, "licence"),
    ("tests/b.py", "import os\n", 1, "licence"),
    ("tests/npm/package-lock.json", '{\n"resolved": "https://example.com/a.tgz"}', 2, "registry"),
]


def test_good_code_passes(gate):
    assert gate("check-style", {"core/a.c": GOOD}) == (0, "")


def test_a_host_call_of_that_name_is_no_wait(gate):
    assert gate("check-style", {"tests/a.c": body("call->host->sleep(call, 5);")}) == (0, "")


def test_core_is_stricter_about_memory_than_a_plugin(gate):
    assert gate("check-style", {"plugins/p/p.c": body("free(malloc(1));")}) == (0, "")


@pytest.mark.parametrize("path,text,line,word", BAD, ids=range(len(BAD)))
def test_each_rule_can_fail(gate, path, text, line, word):
    status, output = gate("check-style", {path: text})
    assert status == 1
    assert f"{path}:{line}: " in output
    assert word in output
