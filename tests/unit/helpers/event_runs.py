"""Runs of which the events are made or sent, one after the other: for the tests of events."""

import json

from pasts import Past
from proscribe.controller.report.exports import fill_exports
from proscribe.controller.report.exports.event_maker import EventMaker

SETTINGS = {"file": "", "journald": False, "syslog": False, "facility": "daemon", "send": "changes", "limit": 10_000}


class EventRuns(Past):
    def report(self, hosts, record=True, actions=(), **changes):
        """The report and the records of one more run, and what it changed (None: it is not in the history)."""
        if record:
            self.run(hosts, **changes)
        number = self.number if record else None

        def acted(item):
            return {**item, "actions": list(actions)} if actions else item

        report, records = self.made(hosts, number=number, change=acted, **changes)
        return report, records, self.history.read_transitions(report["run"]["id"])

    def events(self, hosts, only_changed=True, verdict=None, **changes):
        report, records, changed = self.report(hosts, **changes)
        report["run"]["verdict"] = verdict
        return made(report, records, changed, only_changed)


def made(report, records, changes, only_changed=True):
    """Return the events of a report, parsed."""
    lines = []
    events = EventMaker(report, changes, lambda event: lines.append(event.line), only_changed=only_changed)
    fill_exports([events], report, records)
    return [json.loads(line) for line in lines]


def reported(events):
    """Return (host, rule, previous, state) of each change, "" for a whole host."""
    changes = (event for event in events if "state" in event)
    return [(event["host"], event.get("rule", ""), event["previous"], event["state"]) for event in changes]
