# SPDX-License-Identifier: Apache-2.0
"""tools/check-layering: arrows that it lets through and arrows that it stops."""

import subprocess

import pytest

GOOD = {
    "core/base/x.c": '#include "core/base/x.h"\n#include <sodium.h>\n#include <sys/socket.h>\n',
    "core/base/x.h": "",
    "core/engine/e.h": "",
    "core/engine/e.c": '#include "core/engine/e.h"\n#include "core/base/x.h"\n#include <string.h>\n',
    "core/daemon/main.c": '#include "core/engine/e.h"\n#include <uv.h>\n',
    "plugins/dns/dns.h": "",
    "plugins/dns/dns.c": '#include <provost/plugin.h>\n#include "dns.h"\n'
                         '#include "plugins/dns/dns.h"\n#include <ares.h>\n',
    "plugins/dns/tests/t.c": '#include "plugins/dns/dns.h"\n',
    "sdk/include/provost/plugin.h": "#include <stddef.h>\n#include <stdint.h>\n",
    "sdk/include/provost/json.h": "#include <provost/plugin.h>\n#include <jansson.h>\n",
    "tests/unit/engine/e.c": '#include "core/engine/e.h"\n#include <cmocka.h>\n',
}

BAD = [
    ("core/base/y.c", '#include "core/engine/e.h"'),
    ("core/base/y.c", "#include <uv.h>"),
    ("core/engine/y.c", "#include <jansson.h>"),
    ("core/engine/y.c", "#include <uv.h>"),
    ("core/engine/y.c", '#include "core/store/sqlite.h"'),
    ("core/engine/y.c", '#include "core/config/config.h"'),
    ("core/wire/y.h", '#include "core/engine/e.h"'),
    ("core/runner/y.c", "#include <jansson.h>"),
    ("core/runner/y.c", '#include "core/host/host.h"'),
    ("core/host/y.c", '#include "core/runner/runner.h"'),
    ("core/api/y.c", '#include "core/store/sqlite.h"'),
    ("core/cli/y.c", '#include "core/api/api.h"'),
    ("core/new/y.c", "#include <string.h>"),
    ("plugins/dns/y.c", '#include "core/base/x.h"'),
    ("plugins/dns/y.c", '#include "plugins/support/support.h"'),
    ("plugins/dns/y.c", "#include <uv.h>"),
    ("examples/y/y.c", '#include "core/base/x.h"'),
    ("sdk/include/provost/more.h", '#include "core/base/x.h"'),
    ("sdk/include/provost/plugin.h", "#include <stdio.h>"),
    ("core/base/y.c", "#include <somebody/else.h>"),
    ("core/base/y.c", "  #  include <uv.h>"),
]


def test_this_tree_is_layered(root):
    done = subprocess.run([root / "tools/check-layering"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_the_table_has_passes(gate):
    assert gate("check-layering", GOOD) == (0, "")


@pytest.mark.parametrize("path,line", BAD, ids=range(len(BAD)))
def test_an_arrow_that_the_table_does_not_have_fails(gate, path, line):
    status, output = gate("check-layering", GOOD | {path: "/* first */\n" + line + "\n"})
    assert status == 1
    expected = 1 if path.startswith("core/new/") else 2
    assert output.startswith(f"{path}:{expected}: ")
    assert output.count("\n") == 1


def test_the_allowed_set_is_named(gate):
    _, output = gate("check-layering", {"core/wire/y.c": "#include <uv.h>\n"})
    assert output == ("core/wire/y.c:1: #include of uv.h: core/wire/ may include: itself, "
                      "the C library, core/base/\n")


def test_a_comment_is_not_an_include(gate):
    assert gate("check-layering", {"core/base/y.c": "/*\n#include <uv.h>\n*/\n"}) == (0, "")


@pytest.mark.parametrize("lines,status", [(600, 0), (601, 1)])
def test_a_long_file_needs_a_reason(gate, lines, status):
    got, output = gate("check-layering", {"core/base/long.c": "int x;\n" * lines})
    assert got == status
    assert ("core/base/long.c:601: 601 lines" in output) == (status == 1)
