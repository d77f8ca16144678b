# SPDX-License-Identifier: Apache-2.0
"""Gates are run over this tree, where they are green, and over a small one with a bad file in it."""

import subprocess

import pytest


@pytest.fixture
def gate(root, tmp_path):
    """gate(name, {path: text}) runs tools/NAME over a tree of these files: (status, output)."""

    def run(name, files):
        tree = tmp_path / "tree"
        tree.mkdir(exist_ok=True)
        (tree / ".clang-format").write_text((root / ".clang-format").read_text())
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
        done = subprocess.run([root / "tools" / name, "--root", tree], capture_output=True, text=True,
                              timeout=120)
        return done.returncode, done.stdout + done.stderr

    return run
