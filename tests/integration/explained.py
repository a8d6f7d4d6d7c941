"""What `explain` answers about an inventory, host by host and control by control."""

import argparse
import json

from proscribe.controller.cli import explain, inventory
from proscribe.controller.cli.explain import answer_texts, output
from proscribe.controller.cli.explain.question import parse_question
from proscribe.controller.cli.explain.reasons.reason import AUDITED, BLOCKED, DEPENDS
from proscribe.controller.compile.plans.host_plans import compile_hosts


class Explained:
    """The policy of an inventory, or of some of its hosts, and what `explain` makes of it."""

    def __init__(self, file, now, limit="all"):
        parser = argparse.ArgumentParser()
        explain.add_arguments(parser)
        question = inventory.read_compile_input(parser.parse_args(["-i", str(file), "--limit", limit, "x"]))
        self.compiled = compile_hosts(question, now)
        self._answers = {}

    def plan(self, host):
        return self.compiled.plans[self.compiled.hosts[host]]

    def says(self, host, word):
        return {control: answer["answer"] for control, answer in self.controls(host, word).items()}

    def reasons(self, host, word):
        answers = self.controls(host, word)
        return {control: [reason["text"] for reason in answer["reasons"]] for control, answer in answers.items()}

    def fed(self, host, word):
        """The answer of each export that the host's organisation feeds to a point, by its format."""
        return {export["format"]: export["answer"] for export in self._answer(host, word)["given_to"]}

    def controls(self, host, word):
        return dict(self._answer(host, word)["controls"])

    def _answer(self, host, word):
        """What `explain --json` prints of one host."""
        if word not in self._answers:
            answers = json.loads(
                json.dumps(
                    output.make_explanation_document(
                        *answer_texts.explain_question(parse_question(word), self.compiled)
                    )
                )
            )
            self._answers[word] = answers["answers"]
        (group,) = (group for group in self._answers[word] if host in group["hosts"])
        return dict(group)


def closed(answer):
    """Return whether an answer says that something cannot be reached, whatever the host is like."""
    assert answer not in (DEPENDS, AUDITED), answer
    return answer == BLOCKED
