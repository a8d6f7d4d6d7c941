"""Makes docs/pictures/report-page.png, the page of a made fleet in Chromium: `python tests/picture.py`."""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "module_utils"), str(HERE / "unit/helpers")]

from fleets import PROCESS, WAIVERS, WECHAT, answer, clean_answer, no_policy, run, wechat  # noqa: E402
from proscribe.controller.report.collection.collector import Collector  # noqa: E402
from proscribe.controller.report.evaluation.reconciliation import make_run_report  # noqa: E402
from proscribe.controller.report.page.html_page import render_page  # noqa: E402

PICTURE = HERE.parent / "docs/pictures/report-page.png"
DEPARTMENTS = {"press": ["web02", "pc17"], "finance": ["web01", "db01"], "it": ["build01", "build02"]}


def main():
    hosts = sorted(host for members in DEPARTMENTS.values() for host in members)
    collector = Collector(run(hosts, waivers=WAIVERS))
    for host in ("pc17", "build01", "build02"):
        collector.answered(host, clean_answer())
    collector.answered("web01", answer(wechat(WECHAT, PROCESS), *no_policy()))
    collector.answered("web02", answer(wechat(WECHAT, entry={"mode": "waived", "waiver": "press-office"})))
    collector.unreachable("db01", "Connection refused")
    fleet = collector.reconcile_hosts()
    report = {**make_run_report(collector.run, fleet, "2026-11-25T00:31:00Z"), "departments": DEPARTMENTS}
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "report.html")
        made.write_text("".join(render_page(report, iter(fleet.records))), encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,900"]
        argv = ["chromium", *options, f"--user-data-dir={scratch}/profile", f"--screenshot={PICTURE}", made.as_uri()]
        return subprocess.run(argv, stderr=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
