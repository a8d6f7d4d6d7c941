"""A test organisation with waivers: two departments, a lab, a catalogue of three services, and SSH keys."""

import dataclasses
import datetime
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import yaml
from proscribe.controller.compile.inventory.host_variables import CompileInput, HostVariables
from proscribe.controller.compile.plans.host_plans import compile_hosts
from proscribe.controller.compile.plans.run_compiler import compile_run
from proscribe.model.plan import CONTROLS

NOW = "2026-11-25T08:00:00+00:00"
SERVICE = """\
id: {id}
name: {id}
category: instant_messaging
vendor: Example
audience: consumer
enforce: true
domains: [{id}.example]
networks: [{network}]
checked: 2026-11-20
networks_checked: 2026-11-20
packages: {{apt: [{id}]}}
sources: [a test]
"""
NETWORKS = {"whatsapp": "192.0.2.0/28", "slack": "192.0.2.16/28", "signal": "192.0.2.32/28"}
GROUPS = {
    "press": frozenset({"press01", "press02", "shared01"}),
    "finance": frozenset({"fin01", "shared01"}),
    "desktops": frozenset({"press01", "fin01"}),
    "lab": frozenset({"lab01"}),
    "empty": frozenset(),
}
ZONES = {"press01": "internet", "press02": "internal", "fin01": "internet"}
APPROVERS = {
    "press": {"head": "head.of.press", "deputies": ["deputy.of.press", "head.of.both"]},
    "finance": {"head": "head.of.finance", "deputies": ["head.of.both"]},
}
WAIVER = {"id": "w1", "services": ["whatsapp"], "hosts": ["press01"], "ticket": "ITS-4711"}
WAIVER |= {"reason": "Press enquiries come in there", "risk": "Files received there are not scanned"}
WAIVER |= {"compensating_controls": ["a network of its own"]}
WAIVER |= {"requested_by": "chan.tai.man", "requested_on": "2026-10-30T09:00:00+08:00"}
WAIVER |= {"approved_by": "head.of.press", "approved_on": "2026-11-01T09:00:00+08:00"}
WAIVER |= {"valid_from": "2026-11-02T00:00:00+08:00", "expires": "2026-12-31T18:00:00+08:00"}


def at(text):
    return datetime.datetime.fromisoformat(text)


class Organisation:
    """The files of the organisation below a temporary directory, and the plans that follow from them."""

    def __init__(self, root):
        self.root = root
        self.inventory = root / "inventory"
        self.waivers = self.inventory / "waivers"
        self.waivers.mkdir(parents=True)
        for id_, network in NETWORKS.items():
            file = root / "catalog" / "instant_messaging" / f"{id_}.yml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(SERVICE.format(id=id_, network=network), encoding="utf-8")
        self.approvers(APPROVERS)
        self.variables = {}
        self.groups = dict(GROUPS)

    def approvers(self, register):
        file = self.inventory / "approvers.yml"
        file.unlink(missing_ok=True)
        if register is not None:
            file.write_text(yaml.safe_dump(dict(register)), encoding="utf-8")

    def waiver(self, name="w1.yml", **changes):
        """Write the waiver with changed keys; None leaves a key out."""
        content = {key: value for key, value in {**WAIVER, **changes}.items() if value is not None}
        file = self.waivers / name
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        return file

    def question(self, *names):
        """Build the question of a run over some hosts, or all."""
        hosts = sorted(frozenset().union(*self.groups.values()))
        own = {f"proscribe_{key}": value for key, value in self.variables.items()}
        own.setdefault("proscribe_catalog_max_age", "forever")  # cases are of any day
        own.setdefault("proscribe_reports", "../reports")  # not those of the checkout, which other tests write, too
        zones = {name: {"proscribe_zone": ZONES.get(name, "")} for name in names or hosts}
        play_variables = [HostVariables(name, {**own, **zone}, {}, str(self.inventory)) for name, zone in zones.items()]
        groups, places = {"all": frozenset(hosts), **self.groups}, [str(self.inventory)]
        question = CompileInput(self.root, "audit", "audit", places, "", list(CONTROLS), play_variables, groups)
        return dataclasses.replace(question, zone_of=lambda name: ZONES.get(name, ""))

    def run(self, now=NOW, *names):
        return compile_run(self.question(*names), at(now))

    def status(self, now=NOW, *names):
        """Return the status of the only waiver."""
        (waiver,) = self.run(now, *names)["waivers"]
        return str(waiver["status"])

    def why(self, now=NOW):
        (waiver,) = self.run(now)["waivers"]
        return str(waiver["why"])

    def opened(self, service="whatsapp", now=NOW):
        """Return the open controls of a service by host, without hosts that have none."""
        compiled = compile_hosts(self.question(), at(now))
        opened = {}
        for host, digest in compiled.hosts.items():
            sections = compiled.plans[digest]["controls"].items()
            modes = {control: section["services"][service]["mode"] for control, section in sections}
            assert set(modes) == set(CONTROLS) and set(modes.values()) <= {"enforce", "waived"}
            opened[host] = tuple(control for control in CONTROLS if modes[control] == "waived")
        return {host: controls for host, controls in opened.items() if controls}


OURS = 'namespaces="proscribe-waiver"'


class Signing(NamedTuple):
    """A signature: the principal who has the key ("" for none), and what happens to the files afterwards."""

    allow: str = "head.of.press"
    options: tuple[str, ...] = (OURS,)
    namespace: str = "proscribe-waiver"
    after: str = ""  # changed, taken off, damaged, alone (no allowed_signers) or no tool


class Keys:
    """Real SSH keys and the file allowed_signers."""

    def __init__(self, root, inventory):
        self.root, self.signers = root, inventory / "allowed_signers"

    def make(self, name):
        file = self.root / name
        if not file.exists():
            run = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(file)]
            subprocess.run(run, check=True)
        return file

    def allow(self, principal, key, *options):
        public = " ".join(key.with_name(key.name + ".pub").read_text().split()[:2])
        line = " ".join(filter(None, [principal, ",".join(options), public]))
        with self.signers.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def sign(self, file, key, namespace="proscribe-waiver"):
        signature = Path(f"{file}.sig")
        signature.unlink(missing_ok=True)
        run = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace, str(file)]
        subprocess.run(run, check=True, capture_output=True, env={**os.environ, "SSH_AUTH_SOCK": ""})
        return signature

    def follow(self, signing, file, monkeypatch):
        """Sign a file as described."""
        key = self.make("head")
        self.allow("somebody.else", self.make("stranger"), OURS)
        if signing.allow:
            self.allow(signing.allow, key, *signing.options)
        signature = self.sign(file, key, signing.namespace)
        if signing.after == "changed":
            file.write_bytes(file.read_bytes() + b"\n")
        elif signing.after == "taken off":
            signature.unlink()
        elif signing.after == "damaged":
            signature.write_bytes(signature.read_bytes()[:200])
        elif signing.after == "alone":
            self.signers.unlink()
        elif signing.after == "no tool":
            monkeypatch.setenv("PATH", str(self.root / "nothing"))
        else:
            assert not signing.after
