"""What the enforcement points that an organisation feeds (proscribe_exports_fed) do about a question. Pure.

Each is answered from its own export: one of this host alone. An export for more hosts is the same, or stricter.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import NamedTuple

from ....host.system import ControlError
from ...enforcement_points.decision import decide
from ...enforcement_points.declaration import HTTP, HTTPS, Format, NotExportable
from .reasons.reason import BLOCKED, OPEN, Policy
from .relations import ADDRESS, NAME, SERVICE, Subject

PLAIN = 80  # HTTP that a proxy can read
NO_CLOCK = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)  # the moment is for headers, which nobody reads


class Given(NamedTuple):
    """A format, and what its point does: `answer` is "" where the format cannot say; `why` is one sentence, or ""."""

    format: str
    answer: str
    why: str = ""

    def __str__(self) -> str:
        said = ": ".join(filter(None, (self.format, self.answer)))
        return f"{said} ({self.why})" if self.why else said


def given(about: Subject, policy: Policy) -> tuple[Given, ...]:
    """What each of the points does."""
    if not policy.restrictions.exports_fed:
        return ()
    from ...enforcement_points.registry import FORMATS  # few have any, and they take time to load

    formats = dict.fromkeys(fed.format for fed in policy.restrictions.exports_fed)
    return tuple(_given(about, policy, FORMATS[name]) for name in formats)


def _given(about: Subject, policy: Policy, format_: Format) -> Given:
    try:
        decision = decide({"it": policy.plan}, NO_CLOCK, needed=format_.controls)
        if about.kind == SERVICE:
            rendered = format_.render(decision)
            rules = {f"{control}/{service.id}" for control in format_.controls for service in about.services("is")}
            left_out = [one for one in (*decision.left_out, *rendered.left_out) if one.rule in rules]
            what = [f"{one.what.partition(' for host ')[0]}: {one.why.rstrip('.')}" for one in left_out]
            why = "; ".join(what)
            return Given(format_.name, BLOCKED if rules & set(rendered.included) else OPEN, why)
        if format_.blocks is None or about.kind not in (NAME, ADDRESS):
            return Given(format_.name, "")
        question = about.question
        seen = format_.paths == HTTPS or (format_.paths == HTTP and question.port == PLAIN)
        path = question.path if seen else ""
        answers = {format_.blocks(decision.plan, host + path, question.port) for host in _hosts(about)}
    except (NotExportable, ControlError) as wrong:
        return Given(format_.name, OPEN, str(wrong))
    if len(answers) != 1 or None in answers:
        return Given(format_.name, "")
    blocked = answers.pop()
    why = "it decides by host, whatever the path" if question.path.strip("/") and not seen else ""
    return Given(format_.name, BLOCKED if blocked else OPEN, why)


def _hosts(about: Subject) -> Iterator[str]:
    """The name, or the first and the last address of the network, of a question."""
    network = about.question.network
    if network is None:
        yield about.question.host
    else:
        yield from (str(network[0]), str(network[-1]))
