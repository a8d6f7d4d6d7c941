"""What `explain` answers about an inventory, host by host and control by control."""

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

from proscribe.controller.cli import explain, inventory
from proscribe.controller.cli.explain import answering, printing
from proscribe.controller.cli.explain.question import read
from proscribe.controller.cli.explain.reasons.reason import AUDITED, BLOCKED, DEPENDS
from proscribe.controller.compile.plans.hosts import compile_hosts


class Explained:
    """The policy of an inventory, or of some of its hosts, and what `explain` makes of it."""

    def __init__(self, file: Path, now: datetime.datetime, limit: str = "all") -> None:
        parser = argparse.ArgumentParser()
        explain.add_arguments(parser)
        question = inventory.question(parser.parse_args(["-i", str(file), "--limit", limit, "x"]))
        self.compiled = compile_hosts(question, now)
        self._answers: dict[str, list[Any]] = {}

    def plan(self, host: str) -> dict[str, Any]:
        return self.compiled.plans[self.compiled.hosts[host]]

    def says(self, host: str, word: str) -> dict[str, str]:
        return {control: answer["answer"] for control, answer in self.controls(host, word).items()}

    def reasons(self, host: str, word: str) -> dict[str, list[str]]:
        answers = self.controls(host, word)
        return {control: [reason["text"] for reason in answer["reasons"]] for control, answer in answers.items()}

    def fed(self, host: str, word: str) -> dict[str, str]:
        """The answer of each export that the host's organisation feeds to a point, by its format."""
        return {export["format"]: export["answer"] for export in self._answer(host, word)["given_to"]}

    def controls(self, host: str, word: str) -> dict[str, Any]:
        return dict(self._answer(host, word)["controls"])

    def _answer(self, host: str, word: str) -> dict[str, Any]:
        """What `explain --json` prints of one host."""
        if word not in self._answers:
            answers = json.loads(json.dumps(printing.as_json(*answering.explain(read(word), self.compiled))))
            self._answers[word] = answers["answers"]
        (group,) = (group for group in self._answers[word] if host in group["hosts"])
        return dict(group)


def closed(answer: str) -> bool:
    """Whether an answer says that something cannot be reached; one that leaves it open to what the host is like does
    not say it.
    """
    assert answer not in (DEPENDS, AUDITED), answer
    return answer == BLOCKED
