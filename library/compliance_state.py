#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module that runs the observing code on a host, if the action cannot stream the code."""

DOCUMENTATION = r"""
module: compliance_state
short_description: Report how a host stands against its plan
description:
  - Checks a host and reports for every rule of its plan whether it is compliant, with the evidence.
  - Writes nothing, but for what O(probe) asks for, and needs no facts. As an ordinary user it reports V(unknown), with
    the reason, for what it could not observe.
version_added: "1.0.0"
options:
  plan:
    description: The host's plan, as C(compile_plans) made it; the one that is registered as C(proscribe_compiled) if
      none is given. The same is true of O(controls), O(gate) and O(probe).
    type: dict
  controls:
    description: The controls to check; all controls of the plan if empty.
    type: list
    elements: str
    choices: [apps, browser, firewall, dns]
    default: []
  gate:
    description:
      - When the module fails; the record is returned all the same.
      - V(noncompliant) fails a host with a rule that is V(error) or V(noncompliant), V(incomplete) also one with
        V(unknown).
    type: str
    choices: [never, noncompliant, incomplete]
    default: never
  will_correct:
    description: Do not let the gate fail a host of which controls have drifted; they are corrected and checked again.
    type: bool
    default: false
  probe:
    description:
      - Also start every browser of the host that can be started, without a window and as a throw-away account, and see
        whether it refuses a blocked name (rule C(browser/probe)). It takes some seconds a browser.
      - Writes a directory below C(/run) that is gone afterwards. Needs root.
    type: bool
    default: false
  remember:
    description:
      - Keep on the host, below C(/var/lib/proscribe), what makes the next look cheaper, that is this code, compiled,
        and the plan with what follows from it, and what of homes and package databases need not be read again.
      - For runs that enforce. Without it, and in check mode, nothing is written.
    type: bool
    default: false
notes:
  - An action plugin of the same name streams the code that observes to the host's Python in one exec, without
    Ansible's own module library; where a connection cannot do that, it gives the same stream to this module. The record
    is the same.
attributes:
  check_mode:
    support: full
    description: Reads only, and does the same in check mode.
  diff_mode:
    support: none
    description: Changes nothing.
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: Compile the plans
  compile_plans:
    mode: audit
  run_once: true
  register: proscribe_compiled

- name: Check the host
  compliance_state:
  register: proscribe_observed

- name: Check only one control of the host
  compliance_state:
    plan: "{{ proscribe_compiled | proscribe_plan(inventory_hostname) }}"
    controls: [dns]

- name: Fail where the ban is not in effect, or where that is not known
  compliance_state:
  register: proscribe_gate
  failed_when: proscribe_gate is proscribe_failed

- name: Name what was found
  ansible.builtin.debug:
    msg: "{{ proscribe_gate.record.rules | selectattr('state', 'eq', 'noncompliant') | map(attribute='rule') | list }}"
"""

RETURN = r"""
record:
  description:
    - The host record, one line of C(hosts.jsonl) but for the host's name. C(docs/schema/host-record.schema.json) is its
      schema, with keys that only some hosts have.
    - A state is that of a rule, or the worst one of all rules of a host. From the worst, V(error) means that something
      failed, V(noncompliant) that the ban is not in effect, V(unknown) that this is not known, V(waived) that a waiver
      covers what was found, V(repaired) that this run corrected it, V(compliant) that the ban is in effect, and
      V(not_applicable) that the rule does not count on this host.
    - P(proscribe_failed#test) answers whether a host has failed.
  returned: always
  type: dict
  contains:
    schema:
      description: The form of the record.
      type: str
    state:
      description: The worst state of the rules; V(unknown) without an answer that counts.
      type: str
    plan:
      description: The digest of the plan that the host answered for.
      type: str
    checked_at:
      description: When the host was observed, in UTC by its own clock.
      type: str
    platform:
      description: What the host runs, as C(os), C(os_version) and C(arch).
      type: dict
    rules_evaluated:
      description: How many rules were evaluated. Of 0 rules nothing is known.
      type: int
    rules_not_applicable:
      description: How many of them do not count on this host.
      type: int
    controls:
      description: Of each control its C(mode), its C(state), and how many rules of it were evaluated.
      type: dict
    rules:
      description:
        - Rules that are not plainly compliant. Each has C(rule) (control and service, or control and setting),
          C(state), C(waiver) (the id of the waiver that covers it), C(reason) and C(findings).
        - A finding has C(kind), C(id), C(manager), C(version), C(scope), C(path) and C(detail), each null where it does
          not apply.
      type: list
      elements: dict
    errors:
      description: What failed, as C(control) and C(message).
      type: list
      elements: dict
    duration_ms:
      description: How long the observation took.
      type: int
  sample:
    schema: proscribe/host/1
    state: noncompliant
    plan: sha256:1c0e...
    checked_at: "2026-11-25T08:00:00Z"
    rules_evaluated: 412
    rules:
      - rule: apps/wechat
        state: noncompliant
        waiver: null
        reason: null
        findings:
          - {kind: package, id: wechat, manager: dpkg, version: "4.0", scope: system, path: null, detail: null}
drifted:
  description: The controls that enforcing would correct.
  returned: always
  type: list
  elements: str
  sample: [apps]
privileged:
  description: Whether the module ran as root, and so saw, and could change, everything.
  returned: always
  type: bool
"""

import base64
import json
import marshal
import sys
import types

# WANT_JSON: this word makes Ansible pass the arguments in a file, and send nothing of its own library along. So no
# other code reports a Python that is too old. For this report, Python 3.6 must be able to read this file.
OLDEST_PYTHON = (3, 9)


def fail_module(message: str) -> None:
    """Print a failure with the message as the answer, and exit with code 1."""
    print(json.dumps({"failed": True, "msg": message}))
    sys.exit(1)


def main() -> None:
    """Run the observing code from the stream in the arguments file, and print its answer as JSON."""
    if sys.version_info[:2] < OLDEST_PYTHON:
        here = f"{sys.executable} is {sys.version.split()[0]}"
        fail_module(f"compliance_state needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer on the host; {here}")
    with open(sys.argv[1], encoding="utf-8") as file:
        arguments = json.load(file)
    if "stream" not in arguments:
        fail_module("compliance_state needs its action plugin (action_plugins/)")
    text, *parts = marshal.loads(base64.b64decode(arguments["stream"].split()[-1]))
    loader = types.ModuleType("loader")
    exec(text, loader.__dict__)  # noqa: S102 - the project's own code, from its controller
    print(json.dumps(loader.run_call(*parts)))


if __name__ == "__main__":
    main()
