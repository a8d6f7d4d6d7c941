"""Answers of the enforcement points that an organisation feeds (proscribe_exports_fed). Pure.

An enforcement point is a name server, proxy or router that gets the policy as an export. Each answer comes from an
export for the host in question alone. An export for more hosts is equal or stricter.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import NamedTuple

from ....host.system import ControlError
from ...enforcement_points.decision import make_decision
from ...enforcement_points.format_declaration import HTTP_PATHS, HTTPS_PATHS, ExportError, ExportFormat
from .reasons.reason import BLOCKED, OPEN, EffectivePolicy
from .relations import ADDRESS, NAME, SERVICE, Subject

PLAIN_HTTP_PORT = 80  # unencrypted HTTP, in which a proxy sees paths
# An export has the moment only in its header lines, which are discarded here. So a fixed moment is enough.
FIXED_MOMENT = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class PointAnswer(NamedTuple):
    """The answer of an enforcement point, by the format of its export.

    `answer` is BLOCKED, OPEN, or "" if the format cannot decide. `reason` is a sentence or "".
    """

    format: str
    answer: str
    reason: str = ""

    def __str__(self) -> str:
        answer_text = ": ".join(filter(None, (self.format, self.answer)))
        return f"{answer_text} ({self.reason})" if self.reason else answer_text


def list_point_answers(subject: Subject, policy: EffectivePolicy) -> tuple[PointAnswer, ...]:
    """Return one answer for each format of the enforcement points that a host's policy feeds; () if there are none."""
    if not policy.restrictions.exports_fed:
        return ()
    # The formats take time to load, and few organisations feed enforcement points. So the import is here.
    from ...enforcement_points.export_formats import EXPORT_FORMATS

    formats = dict.fromkeys(fed.format for fed in policy.restrictions.exports_fed)
    return tuple(_make_point_answer(subject, policy, EXPORT_FORMATS[name]) for name in formats)


def _make_point_answer(subject: Subject, policy: EffectivePolicy, format_: ExportFormat) -> PointAnswer:
    """Return the answer of the enforcement points with one export format, about a subject on a host.

    For a service, the answer is BLOCKED if the export has a rule of it. For a name or an address, the test `is_blocked`
    of the format decides. A format without this test (None) gives "". A host whose policy cannot be exported in this
    format gives OPEN, with the reason.
    """
    try:
        # An export needs the name of a host, which no answer shows.
        decision = make_decision({"it": policy.plan}, FIXED_MOMENT, needed_controls=format_.controls)
        if subject.kind == SERVICE:
            rendered = format_.render_export(decision)
            rules = {
                f"{control}/{service.id}" for control in format_.controls for service in subject.list_services("is")
            }
            left_out = [exclusion for exclusion in (*decision.left_out, *rendered.left_out) if exclusion.rule in rules]
            reasons = [
                f"{exclusion.subject.partition(' for host ')[0]}: {exclusion.reason.rstrip('.')}"
                for exclusion in left_out
            ]
            reason = "; ".join(reasons)
            return PointAnswer(format_.name, BLOCKED if rules & set(rendered.included_rules) else OPEN, reason)
        if format_.is_blocked is None or subject.kind not in (NAME, ADDRESS):
            return PointAnswer(format_.name, "")
        question = subject.question
        # Some points see the path of a web address, others never. Without a path, a point decides about the host alone.
        is_path_seen = format_.visible_paths == HTTPS_PATHS or (
            format_.visible_paths == HTTP_PATHS and question.port == PLAIN_HTTP_PORT
        )
        path = question.path if is_path_seen else ""
        answers = {format_.is_blocked(decision.plan, host + path, question.port) for host in _list_hosts(subject)}
    except (ExportError, ControlError) as error:
        return PointAnswer(format_.name, OPEN, str(error))
    # The two ends of a network have different answers, or the format cannot decide about the subject (None).
    if len(answers) != 1 or None in answers:
        return PointAnswer(format_.name, "")
    blocked = answers.pop()
    reason = "it decides by host, whatever the path" if question.path.strip("/") and not is_path_seen else ""
    return PointAnswer(format_.name, BLOCKED if blocked else OPEN, reason)


def _list_hosts(subject: Subject) -> Iterator[str]:
    """Yield the host name of a question, or the first and the last address of its network.

    If an enforcement point decides differently about these two addresses, it has no answer for the network.
    """
    network = subject.question.network
    if network is None:
        yield subject.question.host
    else:
        yield from (str(network[0]), str(network[-1]))
