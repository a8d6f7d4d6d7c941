"""An action for a throw-away project, copied there once for each name that it stands for: it answers what canned.json
beside it has for its name, its host and its call.
"""

from __future__ import annotations
