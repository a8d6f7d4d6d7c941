"""How large is the report page of a fleet, and how quick is it in a browser?

    python3 tests/bench/report_page.py [--hosts 20000] [--browser chromium]

makes the page of fleets that are hard on it, opens each in headless Chromium, and measures what a reader waits for:
the first paint, the list of hosts, a search, a filter, another order, one host. The aims are a page under 15 MB, a
first paint within 2 s and a filter within 200 ms for 20,000 hosts; the exit code is 1 when one is missed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / part) for part in ("module_utils", "tests/integration", "tests/unit/report")]

from chromium import Chromium, Page
from fleets import DIGEST, ENFORCED, SERVICES, answer, no_policy, run
from peak import peak_memory
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.page.document import page as report_page
from proscribe.model.finding import Finding, judge

LARGEST, PAINT, FILTER = 15.0, 2000.0, 200.0  # MB, ms, ms

APPS = ("wechat", "telegram", "dropbox", "megasync", "whatsapp", "signal", "line", "zoom")
REST = [f"{control}/{service}" for control in ("browser", "firewall", "dns") for service in SERVICES]


def app(host: int, name: str) -> Any:
    """An app that nobody else has in this place."""
    user = f"user{host % 977}"
    package = Finding("package", f"org.{name}.desktop", "flatpak", f"{host % 7}.{host % 13}", f"user:{user}")
    process = Finding("process", name, "", "", f"pid:{1000 + host} user:{user}", f"/home/{user}/apps/{host}/{name}")
    return judge(f"apps/{name}", ENFORCED, [package, process])


def usual(host: int) -> list[Any]:
    """One host in ten has an app, one in fifty no browser policy."""
    if host % 50 == 1:
        return no_policy()
    return [app(host, APPS[host % 8])] if host % 10 == 0 else []


def all_broken(host: int) -> list[Any]:
    """Every host has three apps and no browser policy."""
    return [app(host, APPS[(host + number) % 8]) for number in range(3)] + no_policy()


FLEETS: dict[str, Callable[[int], list[Any]]] = {"usual": usual, "all broken": all_broken}


def fleet(hosts: int, verdicts: Callable[[int], list[Any]]) -> tuple[dict[str, Any], list[Any], dict[Any, str]]:
    """The report, the records, and since when each rule has been broken."""
    names = [f"desktop-{number:05}.example.org" for number in range(hosts)]
    collector = Collector(run(names))
    since = {}
    for number, name in enumerate(names):
        if number % 97 == 3:
            collector.unreachable(name, f"ssh: connect to host 203.0.113.{number % 250} port 22: Connection timed out")
            continue
        found = verdicts(number)
        broken = {verdict.rule for verdict in found}
        time_ = f"2026-11-25T00:{number // 60 % 60:02}:{number % 60:02}Z"
        rest = [rule for rule in REST if rule not in broken]
        collector.answered(name, answer(*found, evaluated=rest, digest=DIGEST, checked_at=time_))
        since |= {(name, rule): f"2026-11-{1 + number % 24:02}T08:00:00Z" for rule in broken}
    known = collector.fleet()
    report = fleet_report(collector.run, known, "2026-11-25T01:00:00Z")
    report["departments"] = {f"department-{place:02}": names[place::40] for place in range(40)}
    return report, list(known.records), since


# Milliseconds from something done to the list being painted anew.
MEASURE = """
(async (act) => {
  const started = performance.now();
  const changed = new Promise(done => {
    const watch = new MutationObserver(() => { watch.disconnect(); done(); });
    watch.observe(document.querySelector(WATCHED), { childList: true, subtree: true, characterData: true });
  });
  act();
  await changed;
  await new Promise(requestAnimationFrame);
  return performance.now() - started;
})(ACT)
"""

SET = "() => { const e = document.getElementById('%s'); e.value = '%s'; e.dispatchEvent(new Event('%s')); }"
ACTIONS = (
    ("search, first", "#count", SET % ("words", "user97", "input")),
    ("search", "#count", SET % ("words", "org.signal 03", "input")),
    ("search, all", "#count", SET % ("words", "", "input")),
    ("state", "#count", "() => document.querySelector('#state button').click()"),
    ("department", "#count", SET % ("department", "department-07", "change")),
    ("clear", "#count", "() => document.getElementById('clear').click()"),
    ("order by name", "#list tbody", "() => document.querySelector('#list th.host button').click()"),
    ("order by system", "#list tbody", "() => document.querySelector('#list th.system button').click()"),
    ("open a host", "#panel-facts", "() => document.querySelector('#list tbody th button').click()"),
)


def measured(page: Page) -> Iterator[tuple[str, float]]:
    """What a reader waits for, each in milliseconds."""
    yield "first paint", page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    yield "loaded", page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    for name, watched, act in ACTIONS:
        yield name, page.evaluate(MEASURE.replace("WATCHED", f"'{watched}'").replace("ACT", act))


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the report page in headless Chromium.")
    parser.add_argument("--hosts", type=int, default=20_000)
    parser.add_argument("--browser", default="chromium", help="the executable")
    arguments = parser.parse_args()
    executable = shutil.which(arguments.browser)
    if executable is None:
        parser.error(f"there is no {arguments.browser}")
    missed = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, Chromium(executable, home) as browser:
        for name, verdicts in FLEETS.items():
            report, records, since = fleet(arguments.hosts, verdicts)
            path = Path(home, "report.html")
            started = time.monotonic()
            with path.open("w", encoding="utf-8") as stream:
                stream.writelines(report_page(report, records, since=since))
            wrote = time.monotonic() - started
            size = path.stat().st_size / 1e6
            memory = peak_memory()
            page = browser.open(path.as_uri())
            time.sleep(2)  # a reader reads before they search
            print(
                f"\n{name}: {arguments.hosts:,} hosts, {size:.1f} MB, written in {wrote:.1f} s, {memory:.0f} MB at most"
            )
            missed += [f"{name}: {size:.1f} MB"] if size > LARGEST else []
            for what, waited in measured(page):
                print(f"  {what:<18}{waited:8.0f} ms")
                limit = PAINT if what in ("first paint", "loaded") else FILTER
                missed += [f"{name}: {what} {waited:.0f} ms"] if waited > limit else []
            missed += [f"{name}: {complaint}" for complaint in page.complaints()]
    print("\nmissed: " + "; ".join(missed) if missed else "\nall within the aims")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
