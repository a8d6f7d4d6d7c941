"""The quarantines of a fleet as operators use them: list, restore, prune. Controller side.

`request` reads the options, and `selection` selects from the answers of the hosts. `restore_effect` predicts the next
enforcing run after a restore. `outcome` has the results, and `wording` describes all of that. The actions on a host are
in host/controls/apps/quarantine/operator.py.
"""

from __future__ import annotations

from ...model.vocabulary import OUTLOOKS

# The effects of the next enforcing run on a restored item.
TAKEN_AGAIN, WAIVER_COVERED, LEFT_ALONE = OUTLOOKS
