"""Hosts that are mount namespaces of this machine, with hosts files of their own, and the launcher over them."""

import json
import os
import shutil
import sys
from pathlib import Path

from checkout import PROJECT, REAL_ANSIBLE, clean_environment, launch, read_records, read_states
from proscribe.model.finding import STATES

# A host's Python. /run is new at each call, which costs nothing here; /etc and /var/lib stay.
INTERPRETER = """#!/bin/sh
exec unshare --mount sh -c '
    mount --bind {options} {host}/etc /etc && mount --bind {host}/lib /var/lib && mount -t tmpfs tmpfs /run &&
    exec {python} "$@"' sh "$@"
"""
# A host in hostile hands: it answers what its Python does, and of what it observes that it has programs to remove.
LIES = """import json, sys
for line in sys.stdin:
    mark, found, said = line.partition("proscribe-answer:")
    if found:
        answer = json.loads(said)
        if "record" in answer:
            claims = [{{"kind": "package", "id": f"p{{n}}", "scope": "system"}} for n in range({claims})]
            rule = {{"rule": "apps/wechat", "state": "noncompliant", "findings": claims}}
            answer["record"] = {{**answer["record"], "state": "noncompliant", "rules": [rule]}}
            answer["drifted"] = ["apps"]
        line = mark + found + json.dumps(answer) + chr(10)
    sys.stdout.write(line)
"""
# A host that another process is changing for as long as a run waits: it answers so to every change.
BUSY = """import json, sys
for line in sys.stdin:
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and answer.get("failed") and "refused" in answer:
        answer["busy"] = {"by": "process 7 of root on h", "since": "2026-11-27T03:00:00Z"}
        line = json.dumps({**answer, "msg": "this host is being changed by process 7"}) + chr(10)
    sys.stdout.write(line)
"""
ETC = ("passwd", "group", "nsswitch.conf", "os-release", "ld.so.cache")
BLOCK = "# BEGIN proscribe"


class Fleet:
    """Made hosts h1, h2, ... and the launcher over them."""

    control = "dns"  # that is enforced

    def __init__(self, directory, hosts):
        self.directory = directory
        self.names = [f"h{number}" for number in range(1, hosts + 1)]
        lines = []
        for name in self.names:
            (directory / name / "etc").mkdir(parents=True)
            (directory / name / "lib").mkdir()
            for file in filter(os.path.exists, (f"/etc/{file}" for file in ETC)):
                shutil.copy(file, directory / name / "etc")
            self.undo(name)
            self.interpreter(name)
            own = f"ansible_connection: local, ansible_python_interpreter: {directory}/{name}/py"
            lines.append(f"    {name}: {{{own}}}")
        (directory / "fleet").mkdir()
        # Their /usr/local is this machine's.
        variables = "{proscribe_dns_backend: hosts, proscribe_requests: false}"
        text = "department:\n  hosts:\n" + "\n".join(lines) + f"\n  vars: {variables}\n"
        (directory / "fleet" / "hosts.yml").write_text(text)

    def hosts_file(self, name):
        return self.directory / name / "etc" / "hosts"

    def undo(self, name):
        self.hosts_file(name).write_text("127.0.0.1 localhost\n")

    def interpreter(self, name, options=""):
        path = self.directory / name / "py"
        path.write_text(INTERPRETER.format(host=self.directory / name, options=options, python=sys.executable))
        path.chmod(0o755)

    def breaks(self, name):
        self.interpreter(name, "-o ro")

    def claims(self, name, removals):
        self._changes_answers(name, LIES.format(claims=removals))

    def is_busy(self, name):
        """Let a host answer every change with that another process is changing it."""
        self.breaks(name)
        self._changes_answers(name, BUSY)

    def _changes_answers(self, name, program):
        honest, lies = self.directory / name / "honest", self.directory / name / "lies.py"
        (self.directory / name / "py").rename(honest)
        lies.write_text(program)
        path = self.directory / name / "py"
        path.write_text(f'#!/bin/sh\n{honest} "$@" | {sys.executable} {lies}\n')
        path.chmod(0o755)

    def launch(self, *words):
        return self._launch(PROJECT / "proscribe", *words, PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE)

    def play(self, playbook, *options):
        configuration = str(PROJECT / "ansible.cfg")
        words = ("-i", "fleet", "--tags", "dns,untagged", *options, playbook)
        return self._launch(Path(REAL_ANSIBLE), *words, ANSIBLE_CONFIG=configuration)

    def _launch(self, program, *words, **environment):
        known = clean_environment(PROSCRIBE_REPORTS=str(self.directory / "reports"), **environment)
        return launch(program, *words, cwd=self.directory, environment=known)

    def enforce(self, *options, **restrictions):
        extra = json.dumps({f"proscribe_{name}": value for name, value in restrictions.items()})
        return self.launch("enforce", "-i", "fleet", "--tags", self.control, "-e", extra, *options)

    @property
    def corrected(self):
        return {name for name in self.names if BLOCK in self.hosts_file(name).read_text()}

    @property
    def states(self):
        return read_states(self.directory / "reports")

    def worst_rule(self, name):
        """The worst state of a host's rules in the newest report; "" where it lists none."""
        states = {rule["state"] for rule in read_records(self.directory / "reports", "newest")[name]["rules"]}
        return next((state for state in STATES if state in states), "")

    @property
    def latest(self):
        return self.directory / "reports" / "latest"

    @property
    def rollout(self):
        return dict(json.loads((self.latest / "report.json").read_text())["rollout"])
