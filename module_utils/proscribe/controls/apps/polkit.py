"""Rules of polkit, by which users may not ask a service of root's to install something for them (polkit(8))."""

from __future__ import annotations

from ...host import WRITTEN_BY
from .gate_parts import GateFile

DIRECTORY = "/etc/polkit-1/rules.d"
# An older polkit has no JavaScript rules, and neither of these directories.
DIRECTORIES = (DIRECTORY, "/usr/share/polkit-1/rules.d")


def rule(name: str, reason: str, condition: str) -> GateFile:
    """A rule for everybody but root: no where the condition, a JavaScript expression, holds. Files are read by name,
    and the first answer counts.
    """
    content = f"""\
// {WRITTEN_BY}
// {reason}.
polkit.addRule(function(action, subject) {{
    if (subject.user != "root" && ({condition})) {{
        polkit.log("proscribe: the policy of this organisation refused " + action.id + " to " + subject.user);
        return polkit.Result.NO;
    }}
}});
"""
    return GateFile(f"{DIRECTORY}/00-proscribe-{name}.rules", content, needs=DIRECTORIES)
