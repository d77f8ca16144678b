# SPDX-License-Identifier: Apache-2.0
"""tests/run on small projects: what fails there must fail it, and be counted."""

import json
import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.long

MESON = """project('small', 'c')
test('good', executable('good', 'good.c'))
test('other', executable('other', 'other.c'))
"""
GOOD_C = "int main(void) { return 0; }\n"
GOOD_PY = "def test_one():\n    assert True\n\n\ndef test_two():\n    assert True\n"


@pytest.fixture
def project(root, tmp_path):
    """run(other.c, test_x.py, options...) -> (status, last line, counts, output)"""
    top = tmp_path / "small"
    (top / "tests").mkdir(parents=True)
    for name in ("run", "lsan.supp"):
        shutil.copy(root / "tests" / name, top / "tests" / name)
    (top / "meson.build").write_text(MESON)
    (top / "meson_options.txt").write_text("option('faults', type: 'boolean', value: false)\n")
    (top / "pytest.ini").write_text("[pytest]\ntestpaths = tests\nmarkers =\n    plain: x\n")
    (top / "good.c").write_text(GOOD_C)

    def run(other=GOOD_C, python=GOOD_PY, *options):
        (top / "other.c").write_text(other)
        (top / "tests/test_x.py").write_text(python)
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(("PYTEST", "PROVOST", "ASAN", "UBSAN", "LSAN"))}
        done = subprocess.run([top / "tests/run", "--counts", top / "counts", *options], text=True,
                              capture_output=True, env=env, timeout=300)
        counts = json.loads((top / "counts").read_text())
        return done.returncode, done.stdout.splitlines()[-1], counts, done.stdout + done.stderr

    return run


def test_all_is_well(project):
    status, line, counts, _ = project()
    assert (status, line) == (0, "4 passed, 0 failed")
    assert counts == {"passed": 4, "failed": 0, "skipped": []}


def test_what_fails_is_counted(project):
    bad = GOOD_PY + "\n\ndef test_three():\n    assert False\n"
    assert project("int main(void) { return 1; }\n", bad)[:2] == (1, "3 passed, 2 failed")


def test_a_program_that_crashes_fails(project):
    assert project("#include <stdlib.h>\nint main(void) { abort(); }\n")[:2] == (
        1, "3 passed, 1 failed")


def test_skipped_tests_are_shown(project):
    skip = GOOD_PY + "\n\ndef test_three():\n    import pytest\n    pytest.skip('no')\n"
    status, line, counts, output = project("int main(void) { return 77; }\n", skip)
    assert (status, line) == (0, "3 passed, 0 failed")
    assert counts["skipped"] == ["other", "tests.test_x.test_three: no"]
    assert "\nskipped: other\nskipped: tests.test_x.test_three: no\n3 passed, 0 failed\n" in output


def test_a_build_that_fails_fails(project):
    status, line, _, output = project("int main(void) { return x; }\n")
    assert (status, line) == (1, "0 passed, 1 failed")
    assert "the build in" in output


def test_a_warning_fails_with_werror(project):
    warning = "int main(void) { int unused; return 0; }\n"
    options = ("--meson-option=-Dwerror=true", "--meson-option=-Dwarning_level=2")
    assert project(warning, GOOD_PY, *options)[:2] == (1, "0 passed, 1 failed")


def test_a_test_file_that_cannot_be_read_fails(project):
    assert project(GOOD_C, "import nothing_of_this_name\n")[:2] == (1, "2 passed, 1 failed")


def test_no_python_test_at_all_fails(project):
    status, _, _, output = project(GOOD_C, "x = 1\n")
    assert status == 1
    assert "pytest ended with status 5" in output


def test_half_a_report_fails_and_hides_nothing_else(project, tmp_path):
    (tmp_path / "small/tests/conftest.py").write_text(
        "import atexit\nimport os\n\n\ndef cut():\n    path = os.environ['PROVOST_BUILD'] + '/pytest.xml'\n"
        "    if os.path.exists(path):\n        os.truncate(path, 60)\n\n\natexit.register(cut)\n")
    status, line, _, output = project()
    assert (status, line) == (1, "2 passed, 1 failed")
    assert "pytest's report cannot be read" in output


SANITIZED = ("--build", "build-asan", "--meson-option=-Db_sanitize=address,undefined",
             "--meson-option=-Dc_link_args=-static-libubsan")


def test_sanitizers_are_green_on_good_code(project):
    plain = GOOD_PY + "\n\nimport pytest\n\n\n@pytest.mark.plain\ndef test_x():\n    assert False\n"
    assert project(GOOD_C, plain, *SANITIZED)[:2] == (0, "4 passed, 0 failed")


@pytest.mark.parametrize("body,report", [
    ("void *volatile p = malloc(7); p = 0; return p != 0;", "LeakSanitizer"),
    ("char *p = malloc(7); p[argc + 6] = 1; free(p); return 0;", "heap-buffer-overflow"),
    ("return (argc + 0x7fffffff) == 0;", "signed integer overflow"),
], ids=["leak", "overflow", "undefined"])
def test_each_sanitizer_can_fail(project, body, report):
    source = "#include <stdlib.h>\nint main(int argc, char **argv) { (void)argv; %s }\n" % body
    status, line, _, output = project(source, GOOD_PY, *SANITIZED)
    assert status == 1
    assert line == "3 passed, 2 failed"  # the test, and the report
    assert report in output


def test_a_race_fails(project):
    source = ("#include <pthread.h>\nstatic int x;\n"
              "static void *add(void *p) { x++; return p; }\n"
              "int main(void) { pthread_t t; pthread_create(&t, 0, add, 0); x++; "
              "return pthread_join(t, 0); }\n")
    status, line, _, output = project(source, "not even Python", "--build", "build-tsan",
                                      "--no-pytest", "--meson-option=-Db_sanitize=thread")
    assert (status, line) == (1, "1 passed, 2 failed")
    assert "data race" in output


def test_a_report_of_a_program_that_a_test_started_fails(project):
    """That test looks at no exit status; the report is found all the same."""
    source = ("#include <stdlib.h>\nint main(int argc, char **argv) { (void)argv; "
              "char *p = malloc(7); p[argc + 5] = 1; free(p); return 0; }\n")
    python = ("import os\nimport subprocess\n\n\ndef test_it():\n"
              "    subprocess.run([os.environ['PROVOST_BUILD'] + '/other', 'x'])\n")
    status, line, _, output = project(source, python, *SANITIZED)
    assert (status, line) == (1, "3 passed, 1 failed")
    assert "heap-buffer-overflow" in output


@pytest.mark.parametrize("ci,expected,skipped", [
    (None, "3 passed, 0 failed", ["two: pdns_server is not installed", "three: this kernel cannot"]),
    ("true", "3 passed, 1 failed", ["three: this kernel cannot"])])
def test_what_is_not_installed_fails_in_ci(project, root, tmp_path, monkeypatch, ci, expected,
                                            skipped):
    shutil.copy(root / "tests/conftest.py", tmp_path / "small/tests/conftest.py")
    if ci:
        monkeypatch.setenv("CI", ci)
    else:
        monkeypatch.delenv("CI", raising=False)
    python = ("import pytest\n\n\ndef test_one():\n    pass\n\n\n"
              "def test_two():\n    pytest.skip('pdns_server is not installed')\n\n\n"
              "def test_three():\n    pytest.skip('this kernel cannot')\n")
    _, line, counts, _ = project(GOOD_C, python)
    assert line == expected
    assert counts["skipped"] == [f"tests.test_x.test_{reason}" for reason in skipped]
