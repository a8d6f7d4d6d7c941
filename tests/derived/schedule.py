"""What docs/scheduling.md has of the code: who can begin runs, and by which channels notifications go."""

from proscribe.controller.compile.restrictions import RESTRICTIONS
from proscribe.controller.compile.restrictions.channels import read_channels
from proscribe.controller.compile.restrictions.schedule_values import SCHEDULE_METHODS

from .part import described, parts_of, read_rows, table

METHOD = read_rows(
    """
controller | a systemd timer on the controller, over SSH | up to some thousand hosts that the controller can reach
pull | a timer on every host, which fetches the policy with git; the controller collects what they found | many hosts,
    or hosts behind a network that lets no controller in
awx | an automation controller's own schedule; nothing is put on any machine | where there is one already
off | nobody; what an earlier `schedule` set up is removed |
"""
)


def methods():
    usual = f"`{RESTRICTIONS['schedule'].default}`"
    rows = [
        [f"{row[0]} (default)" if row[0] == usual else row[0], *row[1:]] for row in described(SCHEDULE_METHODS, METHOD)
    ]
    return table(("`proscribe_schedule`", "who begins runs", "suits"), rows)


def all_channels():
    shown = {True: "left out: it may be a secret", False: "shown"}
    rows = ((f"`{name}`", one.expected, f"`{one.example}`", shown[one.secret]) for name, one in read_channels().items())
    return table(("channel", "its value", "for example", "in messages"), rows)


DERIVED = parts_of("docs/scheduling.md", {"ways": methods, "channels": all_channels})
