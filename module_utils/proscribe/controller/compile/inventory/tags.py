"""Warning about tags on the command line that no task has: a run with them does less than intended. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ....model.plan import CONTROLS
from ...policy_errors import propose_similar_names

ANSIBLE_TAGS = ("all", "always", "never", "tagged", "untagged")  # special tags, which no task needs to have
# Molecule (a test tool for Ansible) skips tasks with these tags in every playbook that it runs.
MOLECULE_TAGS = ("notest", "molecule-notest", "molecule-idempotence-notest")


def describe_unknown_tags(tag_options: Iterable[str], known_tags: Collection[str]) -> str:
    """Return the message about tags that no task has; "" if every tag is known.

    `tag_options` are the values of --tags or --skip-tags. Each value may be several tags, separated by commas.
    """
    names = [name.strip() for text in tag_options for name in str(text).split(",")]
    unknown_names = [name for name in names if name and name not in (*known_tags, *ANSIBLE_TAGS, *MOLECULE_TAGS)]
    if not unknown_names:
        return ""
    control_tags = ", ".join(control for control in CONTROLS if control in known_tags)
    listed = ", and ".join(
        f"{name!r}{propose_similar_names(name, known_tags)}" for name in dict.fromkeys(unknown_names)
    )
    return (
        f"no task has the tag {listed}; there are {control_tags}" if control_tags else f"no task has the tag {listed}"
    )
