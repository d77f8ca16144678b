# SPDX-License-Identifier: Apache-2.0
"""What the checks in this folder share: the files of a tree, C without its comments, reporting."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path


class Tree:
    """Files under a root: those git knows or would add, or all of them where there is no git."""

    def __init__(self, root):
        self.root = Path(root).resolve()
        self.names = sorted(self._git() or self._walk())

    def _git(self):
        if not (self.root / ".git").exists():
            return None
        out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             cwd=self.root, capture_output=True, check=True).stdout.decode()
        return {name for name in out.split("\0") if name and (self.root / name).is_file()}

    def _walk(self):
        found = set()
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders
                          if name not in (".git", "node_modules") and not name.startswith("build")]
            found.update(str((Path(folder) / name).relative_to(self.root)) for name in names)
        return found

    def ending(self, *suffixes):
        return [name for name in self.names if name.endswith(suffixes)]

    def text(self, name):
        return (self.root / name).read_text(errors="replace")


_TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def blank_comments(source, strings=False):
    """C source with comments blanked out (and strings, when asked); offsets and lines stay."""

    def blank(match):
        token = match.group()
        if token[0] == "/" or strings:
            return re.sub(r"[^\n]", " ", token)
        return token

    return _TOKEN.sub(blank, source)


def line_of(source, offset):
    return source.count("\n", 0, offset) + 1


def run_check(description, check):
    """Runs check(tree) -> list of problems over --root; prints them and exits 1 if there are any."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", default=Path(__file__).resolve().parent.parent,
                        help="the tree to check (this one)")
    problems = check(Tree(parser.parse_args().root))
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
