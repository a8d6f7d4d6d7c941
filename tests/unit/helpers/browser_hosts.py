"""A made host whose browsers have policies, and what a plan says to them."""

import functools
import json
from pathlib import Path
from typing import Any

from browser_places import BROWSERS
from made_plans import make_section
from proscribe.host.controls import browser
from proscribe.host.controls.base import Changes
from proscribe.host.controls.change_execution import apply_changes
from proscribe.host.system import Host
from proscribe.model.finding import RuleVerdict

section = functools.partial(make_section, "browser")


class Tree:
    """A made host, and its plan: what is not asked about another one is asked about that."""

    def __init__(self, root: Path, of: dict[str, Any]) -> None:
        root.chmod(0o755)
        self.root, self.host = root, Host(str(root))
        self.plan = {"browsers": BROWSERS, "controls": {"browser": of}}
        for folder in ("etc", "var/lib"):
            (root / folder).mkdir(parents=True)

    def put(self, path: str, content: Any = "", mode: int = 0o644) -> bytes:
        """A file, with the directories above it; JSON where it is no text. Returns what is in it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, (bytes, str)) else json.dumps(content)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)
        return file.read_bytes()

    def read(self, path: str) -> Any:
        return json.loads((self.root / path).read_bytes())

    def enforce(self, of: dict[str, Any] | None = None) -> Changes:
        changes = browser.enforce(self.host, of or self.plan)
        apply_changes(changes)
        return changes

    def lift(self) -> None:
        apply_changes(browser.lift(self.host, self.plan))

    def verdicts(self, of: dict[str, Any] | None = None) -> dict[str, RuleVerdict]:
        return {verdict.rule.partition("/")[2]: verdict for verdict in browser.observe(self.host, of or self.plan)}

    def states(self, of: dict[str, Any] | None = None) -> set[str]:
        return {verdict.state for verdict in self.verdicts(of).values()}

    def wrong(self, browser: str = "") -> dict[str, list[str]]:
        """List the findings of each rule that does not hold, of one browser or of all."""
        findings = {
            rule: [
                f"{finding.manager} {finding.id}: {finding.detail}"
                for finding in verdict.findings
                if browser in ("", finding.manager.split(",")[0])
            ]
            for rule, verdict in self.verdicts().items()
            if verdict.state == "noncompliant"
        }
        return {rule: lines for rule, lines in findings.items() if lines}
