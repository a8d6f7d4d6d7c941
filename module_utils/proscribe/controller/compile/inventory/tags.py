"""Tags on the command line that no task has: a run with them does less than was meant. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ....model.plan import CONTROLS
from ...policy_errors import close_to

OF_ANSIBLE = ("all", "always", "never", "tagged", "untagged")  # tags that need no task of theirs
# Molecule leaves these out of every playbook that it runs, whatever is in it.
OF_MOLECULE = ("notest", "molecule-notest", "molecule-idempotence-notest")


def unknown_tags(given: Iterable[str], known: Collection[str]) -> str:
    """The message about tags that no task has; "" if there is none.

    `given` are those of --tags or --skip-tags, of which each may be a list with commas.
    """
    names = [name.strip() for text in given for name in str(text).split(",")]
    wrong = [name for name in names if name and name not in (*known, *OF_ANSIBLE, *OF_MOLECULE)]
    if not wrong:
        return ""
    own = ", ".join(control for control in CONTROLS if control in known)
    listed = ", and ".join(f"{name!r}{close_to(name, known)}" for name in dict.fromkeys(wrong))
    return f"no task has the tag {listed}; there are {own}" if own else f"no task has the tag {listed}"
