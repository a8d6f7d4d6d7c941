"""A process that writes runs into a history, for the tests of writers that meet and of writers that are killed.

history_writer.py HISTORY REPORTS NAME RUNS HOSTS [stop after so many hosts, and wait]
"""

import sys
import time
from pathlib import Path

from fleets import DIGEST, run
from pasts import bad, good
from proscribe.controller.report.evaluation.reconciliation import make_run_report, reconcile_records
from proscribe.controller.report.history import open_history
from proscribe.wire.answers.record import read_record


def main(where, reports, name, runs, hosts, stop=0):
    history = open_history(where, Path(reports))
    expected = {f"{name}-host{number}": DIGEST for number in range(hosts)}

    def slowly(records):
        for number, record in enumerate(records):
            if stop and number == stop:
                print("half way", flush=True)
                time.sleep(600)
            yield record

    for number in range(runs):
        started = f"2026-11-25T08:{number:02}:00Z"
        result = run(list(expected), id=f"{name}-run{number}", started=started, inventory=[name])
        answer = (good if number % 2 else bad)(checked_at=started)
        fleet = reconcile_records(expected, [read_record(host, answer) for host in expected])
        history.record_run(make_run_report(result, fleet, f"2026-11-25T08:{number:02}:30Z"), slowly(fleet.records))


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:]))
