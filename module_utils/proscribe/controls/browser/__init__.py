"""The control `browser`: restricted sites are blocked by the managed policies of the browsers.

Each browser of BROWSERS gets its policy whether or not it is installed, so that the ban stands before the browser
arrives: a browser that a user unpacks at home obeys the same files, and no audit has to go and look for one.

Rules: `browser/<service>`; `browser/dns-over-https`; and `browser/policy-file` for what else keeps a file from being
what it has to be: more or other settings, its mode or owner, a link in its place, a foreign file that overrides it.
"""

from __future__ import annotations

from typing import Any, Iterable, Iterator, Mapping

from ...finding import NOT_APPLICABLE, Finding, Verdict, judge
from ...host import Host
from ...plan import RESTRICTED
from ..base import Changes
from . import chromium, firefox
from .browsers import BROWSERS, Browser
from .rendering import names, rules
from .sight import Sight


def observe(host: Host, plan: Mapping[str, Any]) -> list[Verdict]:
    """Whether every browser's policy blocks what the plan restricts. Raises ControlError for an unusable plan."""
    section = plan["controls"]["browser"]
    wanted = rules(section)
    families = {"chromium": chromium, "firefox": firefox}
    seen = [(browser, families[browser.family].look(host, browser, wanted)) for browser in BROWSERS]
    unseen = _reasons(sight.unseen for _, sight in seen)
    verdicts = [
        judge(f"browser/{id_}", entry, _service_findings(seen, entry), unseen)
        for id_, entry in section["services"].items()
    ]
    if wanted.dns_over_https == "off":
        found = [_finding(browser, "dns-over-https", sight.dns) for browser, sight in seen if sight.dns]
        verdicts.append(judge("browser/dns-over-https", section, found, unseen))
    found = [
        _finding(browser, browser.path.rpartition("/")[2], "; ".join(sight.wrong))
        for browser, sight in seen
        if sight.wrong
    ]
    if wanted or found:
        unclear = _reasons(sight.unseen or sight.unclear for _, sight in seen)
        verdicts.append(judge("browser/policy-file", section, found, unclear))
    else:
        verdicts.append(Verdict("browser/policy-file", NOT_APPLICABLE, reason="nothing to tell the browsers"))
    return verdicts


def _service_findings(seen: list[tuple[Browser, Sight]], entry: Mapping[str, Any]) -> Iterator[Finding]:
    """The evidence against one service, at most one finding per browser."""
    if entry["mode"] == "waived":
        yield Finding("policy", entry["name"], detail="not blocked, by waiver")
    elif entry["mode"] in RESTRICTED:
        for browser, sight in seen:
            opened = [] if sight.complete else sight.opened(names(entry))
            if opened:
                more = f"and {len(opened) - 1} more" if len(opened) > 1 else ""
                yield _finding(browser, str(opened[0]), ": ".join(filter(None, (more, sight.why))))


def _finding(browser: Browser, id_: str, detail: str) -> Finding:
    return Finding("policy", id_, manager=browser.id, path=browser.path, detail=detail)


def _reasons(said: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, said)))


def enforce(host: Host, plan: Mapping[str, Any]) -> Changes:
    """The files to write so that every browser blocks what the plan restricts."""
    from . import chromium_changes, firefox_changes

    wanted = rules(plan["controls"]["browser"])
    families = {"chromium": chromium_changes.enforce, "firefox": firefox_changes.enforce}
    parts = [families[browser.family](host, browser, wanted) for browser in BROWSERS]
    return Changes([a for part in parts for a in part.actions], [r for part in parts for r in part.refused])


def lift(host: Host, plan: Mapping[str, Any]) -> Changes:
    """The changes that take Proscribe's policies away and give back what the organisation had, whatever the plan."""
    from . import chromium_changes, firefox_changes

    families = {"chromium": chromium_changes.lift, "firefox": firefox_changes.lift}
    parts = [families[browser.family](host, browser) for browser in BROWSERS]
    return Changes([a for part in parts for a in part.actions], [r for part in parts for r in part.refused])
