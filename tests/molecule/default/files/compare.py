"""Prints what differs between two snapshots of tree.py; exit code 1 if anything does.

compare.py BEFORE AFTER [pattern...]    patterns (fnmatch) name what may differ
"""

import fnmatch
import json
import sys

LEFT_OUT_TIMES = "--without-times"

arguments = [argument for argument in sys.argv[1:] if argument != LEFT_OUT_TIMES]
snapshots = []
for name in arguments[:2]:
    with open(name, encoding="utf-8") as stream:
        tree = json.load(stream)
    if LEFT_OUT_TIMES in sys.argv:
        tree = {path: [*entry[:4], 0, *entry[5:]] for path, entry in tree.items()}
    snapshots.append(tree)
before, after = snapshots
differences = [
    f"{'gone' if path not in after else 'new' if path not in before else 'changed'}: {path}"
    for path in sorted({*before, *after})
    if before.get(path) != after.get(path) and not any(fnmatch.fnmatch(path, pattern) for pattern in arguments[2:])
]
print(f"{len(before)} entries compared", *differences, sep="\n")
sys.exit(bool(differences))
