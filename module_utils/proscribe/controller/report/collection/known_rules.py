"""The rules that a record may name: those of the run's services, and a few others."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ....model.finding import EXTRA_RULE_GROUPS
from ....model.plan import CONTROLS
from ....model.types.record import HostRecord
from ....wire.answers.value_readers import UnusableAnswer

# Most rules of a record that belong to no service of this run, such as settings and files. A host that reports
# truthfully has about forty.
MAX_OTHER_RULES = 200


def require_known_rules(record: HostRecord, services: Collection[str], plan_digest: str) -> None:
    """Raise UnusableAnswer if a host has invented rule names or an impossible number of rules.

    Each rule name becomes a row of every report and a series of the metrics. The number of rules becomes a part of a
    sum over all hosts. `plan_digest` is the digest of the host's plan. A record of another plan is not counted, so its
    number is not checked.
    """
    other_count = sum(name.partition("/")[2] not in services for name in {*_iterate_rule_names(record)})
    if other_count > MAX_OTHER_RULES:
        raise UnusableAnswer(f"it lists {other_count:,} rules that are of no service of this run")
    max_rules = len(services) * len((*CONTROLS, *EXTRA_RULE_GROUPS)) + MAX_OTHER_RULES
    if record["plan"] == plan_digest and record["rules_evaluated"] > max_rules:
        raise UnusableAnswer(
            f"it says that it evaluated {record['rules_evaluated']:,} rules, and this run has at most {max_rules:,}"
        )


def _iterate_rule_names(record: HostRecord) -> Iterator[str]:
    """Yield the name of each rule that a record names, also for refused packets and for events between two runs."""
    for rule in record["rules"]:
        yield rule["rule"]
    yield from record["attempts"]
    watch = record.get("watch")
    for incident in watch["incidents"] if watch else ():
        yield from incident["rules"]
    for program in watch["ended"] if watch else ():
        yield program["rule"]
