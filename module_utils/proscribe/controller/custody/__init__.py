"""What operators do with the quarantines of a fleet: list, restore, prune. Controller side.

`request` reads what was asked for, and `selection` finds it in what the hosts listed. `restore_effect` says what the
next enforcing run makes of a thing that is restored. `outcome` has what became of it, and `wording` puts all of that
into words. What is done on a host is in host/controls/apps/quarantine/operator.py.
"""

from __future__ import annotations

from ...model.words import OUTLOOKS

# What the next enforcing run makes of a thing that is restored.
TAKEN_AGAIN, WAIVER_COVERED, LEFT_ALONE = OUTLOOKS
