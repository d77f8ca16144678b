#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the migrations given as arguments into a C file: embed.py OUT 0001_x.sql 0002_y.sql …

They are numbered from 1 without a gap; the number of a migration is the schema version it leads to."""

import sys
from pathlib import Path

out, *sources = sys.argv[1:]
lines = ["/* Made from schema/sqlite by core/store/embed.py. */",
         '#include "core/store/sqlite_db.h"', "",
         "const char *const pv_sqlite_migrations[] = {"]
for number, source in enumerate(sorted(sources, key=lambda name: Path(name).name), 1):
    name = Path(source).name
    if not name.startswith(f"{number:04d}_"):
        sys.exit(f"{name}: expected migration {number:04d}")
    lines.append("    (")
    for line in Path(source).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("--"):
            escaped = line.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'    "{escaped}\\n"')
    lines.append("    ),")
lines += ["};", f"const int pv_sqlite_schema = {len(sources)};", ""]
Path(out).write_text("\n".join(lines), encoding="utf-8")
