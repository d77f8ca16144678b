# SPDX-License-Identifier: Apache-2.0
"""What the build itself promises: its warnings are errors in CI, and no source file is forgotten."""

import json
import shlex
import subprocess

import pytest

GOOD = "int f(int x);\n\nint f(int x)\n{\n    return x;\n}\n"

BAD = {
    "shadow": "int f(int x);\n\nint f(int x)\n{\n    {\n        int x = 2;\n        (void)x;\n    }\n"
              "    return x;\n}\n",
    "conversion": GOOD.replace("return x;", "char c = x; return c;"),
    "sign-conversion": GOOD.replace("return x;", "unsigned u = x; return (int)u;"),
    "strict-prototypes": "int g();\n" + GOOD,
    "unused-parameter": GOOD.replace("return x;", "return 1;"),
    "implicit-fallthrough": GOOD.replace(
        "return x;", "switch (x) { case 1: x++; case 2: x--; break; default: break; } return x;"),
    "format": "#include <stdio.h>\n" + GOOD.replace("return x;", 'return printf("%s", x);'),
    "unchecked result": '#include "core/base/buf.h"\n' + GOOD.replace(
        "return x;", "char *p; struct pv_buf b; pv_buf_init(&b, 1); pv_buf_finish(&b, &p, NULL); "
        "return x;"),
}


@pytest.fixture(scope="module")
def commands(build):
    return json.loads((build / "compile_commands.json").read_text())


@pytest.fixture
def compile_like_base(commands, build, tmp_path):
    """Compiles text as core/base/str.c is compiled, with -Werror, and one of the two compilers."""
    command = next(c for c in commands if c["file"].endswith("core/base/str.c"))
    words = shlex.split(command["command"])
    while not words[0].endswith(("cc", "gcc", "clang")):  # ccache and the like
        words = words[1:]
    flags = [word for word in words[1:] if word.startswith(("-I", "-D", "-W", "-f", "-std", "-O"))
             and "sanitize" not in word and word != "-D_FORTIFY_SOURCE=2"]

    def run(compiler, text):
        (tmp_path / "x.c").write_text(text)
        return subprocess.run([compiler, *flags, "-Werror", "-c", "-o", "/dev/null", tmp_path / "x.c"],
                              cwd=build, capture_output=True, text=True)

    return run


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_good_code_compiles(compile_like_base, compiler):
    assert compile_like_base(compiler, GOOD).stderr == ""


# clang leaves falling through a case to gcc.
@pytest.mark.parametrize("compiler,name", [(compiler, name) for compiler in ("gcc", "clang")
                                           for name in BAD
                                           if (compiler, name) != ("clang", "implicit-fallthrough")])
def test_a_warning_is_an_error(compile_like_base, compiler, name):
    done = compile_like_base(compiler, BAD[name])
    assert done.returncode != 0
    assert "-Werror" in done.stderr


def test_no_source_is_forgotten(root, commands, build):
    built = {str((build / command["directory"] / command["file"]).resolve()) for command in commands}
    sources = [path for pattern in ("core/**/*.c", "plugins/**/*.c", "examples/**/*.c",
                                    "tests/unit/**/*.c", "tests/store/**/*.c", "tests/sim/**/*.c")
               for path in root.glob(pattern)]
    assert len(sources) > 10
    assert [str(path.relative_to(root)) for path in sources if str(path.resolve()) not in built] == []
