"""What operators do with the quarantines of a fleet: list, restore, prune. Controller side.

`asked` reads what was asked for, `choosing` finds it in what the hosts listed, `outlook` says what the next enforcing
run makes of a thing that is restored, `course` keeps what became of it, and `telling` puts all of that into words. What
is done on a host is host/controls/apps/quarantine/operator.py.
"""

from __future__ import annotations

# What the next enforcing run makes of a thing that is restored.
TAKEN, WAIVED, LEFT = "taken", "waived", "left"
