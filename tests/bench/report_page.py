"""How large is the report page of a fleet, and how quick is it in a browser?

    python3 tests/bench/report_page.py [--hosts 20000] [--browser chromium]

makes the page of fleets that are hard on it, opens each in headless Chromium, and measures what a reader waits for:
the first paint, the list of hosts, a search, a filter, another order, one host. The aims are a page under 15 MB, a
first paint within 2 s and a filter within 200 ms for 20,000 hosts; the exit code is 1 when one is missed.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common import make_parser, measure, peak_memory  # isort: split

from chromium import Chromium, Page
from fleets import DIGEST, ENFORCED, SERVICES, answer, no_policy, run
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


FLEETS = {"usual": usual, "all broken": all_broken}


def make_fleet(hosts: int, verdicts: Callable[[int], list[Any]]) -> tuple[dict[str, Any], list[Any], dict[Any, str]]:
    """Make the report, the records, and since when each rule has been broken."""
    names = [f"desktop-{number:05}.example.org" for number in range(hosts)]
    collector, since = Collector(run(names)), {}
    for number, name in enumerate(names):
        if number % 97 == 3:
            collector.unreachable(name, f"ssh: connect to host 203.0.113.{number % 250} port 22: Connection timed out")
            continue
        broken = verdicts(number)
        rules = {verdict.rule for verdict in broken}
        checked_at = f"2026-11-25T00:{number // 60 % 60:02}:{number % 60:02}Z"
        rest = [rule for rule in REST if rule not in rules]
        collector.answered(name, answer(*broken, evaluated=rest, digest=DIGEST, checked_at=checked_at))
        since |= {(name, rule): f"2026-11-{1 + number % 24:02}T08:00:00Z" for rule in rules}
    fleet = collector.fleet()
    report = fleet_report(collector.run, fleet, "2026-11-25T01:00:00Z")
    report["departments"] = {f"department-{place:02}": names[place::40] for place in range(40)}
    return report, list(fleet.records), since


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


def measure_page(page: Page) -> Iterator[tuple[str, float]]:
    """Measure in milliseconds what a reader waits for."""
    yield "first paint", page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    yield "loaded", page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    for name, watched, act in ACTIONS:
        yield name, page.evaluate(MEASURE.replace("WATCHED", f"'{watched}'").replace("ACT", act))


def write_page(path: Path, report: dict[str, Any], records: list[Any], since: dict[Any, str]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(report_page(report, records, since=since))


def main() -> int:
    parser = make_parser(__doc__, hosts=20_000, browser="chromium")
    options = parser.parse_args()
    executable = shutil.which(options.browser)
    if executable is None:
        parser.error(f"there is no {options.browser}")
    missed = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, Chromium(executable, home) as browser:
        path = Path(home, "report.html")
        for name, verdicts in FLEETS.items():
            made = make_fleet(options.hosts, verdicts)
            wrote, _ = measure(lambda made=made: write_page(path, *made))
            size, memory = path.stat().st_size / 1e6, peak_memory()
            page = browser.open(path.as_uri())
            time.sleep(2)  # a reader reads before they search
            print(
                f"\n{name}: {options.hosts:,} hosts, {size:.1f} MB, written in {wrote:.1f} s, {memory:.0f} MB at most"
            )
            missed += [f"{name}: {size:.1f} MB"] if size > LARGEST else []
            for action, waited in measure_page(page):
                print(f"  {action:<18}{waited:8.0f} ms")
                limit = PAINT if action in ("first paint", "loaded") else FILTER
                missed += [f"{name}: {action} {waited:.0f} ms"] if waited > limit else []
            missed += [f"{name}: {complaint}" for complaint in page.complaints()]
    print("\nmissed: " + "; ".join(missed) if missed else "\nall within the aims")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
