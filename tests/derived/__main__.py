"""What follows from the code is written from it.

`tests/tool python tests/derived` writes, `--check` names what is stale.

A module here is one source of such texts: its `DERIVED` are the parts, each a whole file or the text between two
marks of a document:

    <!-- derived: NAME -->
    <!-- end of NAME -->

Adding a source is adding a file. `./proscribe test lint` runs the check. Python 3.11 or newer, of a test environment.
"""

import argparse
import importlib
import os
import pkgutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
COMMAND = "tests/tool python tests/derived"
sys.path[:0] = [str(HERE.parent), str(PROJECT / "module_utils")]

from derived.part import StaleMarks  # noqa: E402


def parts():
    for name in sorted(module.name for module in pkgutil.iter_modules([str(HERE)])):
        if name not in {"__main__", "other_routes", "part", "python_source"}:
            yield from importlib.import_module(f"derived.{name}").DERIVED


def main():
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write what follows from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where something is stale")
    parser.add_argument("--rounds", type=int, default=3, help="how often it may begin anew (default 3)")
    arguments = parser.parse_args()
    check = arguments.check
    stale = 0
    for part in parts():
        path = PROJECT / part.path
        try:
            now = path.read_text(encoding="utf-8") if path.exists() else ""
            due = part.applied(now)
        except StaleMarks as wrong:
            print(f"{part.path}: {wrong}")
            return 1
        if due == now:
            continue
        stale += 1
        if check:
            print(f"{part.path}: {part.name or 'the file'} is stale; `{COMMAND}` writes it")
        else:
            path.write_text(due, encoding="utf-8")
            print(f"{part.path}: {part.name or 'the file'} written")
    if stale and not check:
        if not arguments.rounds:
            print("what is written never stays as it is: something in it does not follow from the code alone")
            return 1
        # What was written may be what something else follows from.
        os.execv(sys.executable, [sys.executable, sys.argv[0], f"--rounds={arguments.rounds - 1}"])
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
