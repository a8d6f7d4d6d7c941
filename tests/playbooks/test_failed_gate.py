"""What a host prints that fails its gate: the message, on whatever screen, while the record stays in its variable."""

import json

import pytest
from organisation import Organisation
from proscribe_ansible.registration import LEFT_OUT_TEXT

pytestmark = pytest.mark.playbook

PLAY = """
- name: Our own play
  hosts: department
  gather_facts: false
  tasks:
    - {name: Compile, compile_plans: {mode: audit}, run_once: true, register: proscribe_compiled}
    - name: Observe, and go on
      block:
        - name: Observe
          compliance_state:
          register: observed
      rescue:
        - name: Write what is known of the host
          ansible.builtin.copy:
            content: "{{ observed | to_json }}"
            dest: "{{ playbook_dir }}/{{ inventory_hostname }}.json"
            mode: "0600"
"""
# As `ansible.posix.json` does it: what a task has given is stored at once, and printed as one document at the end.
DOCUMENT = """\
import json
DOCUMENTATION = "name: json\\ntype: stdout\\nshort_description: one document\\ndescription: one document"
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "stdout", "json"

    def __init__(self):
        super().__init__()
        self.results = []

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.results.append(dict(result.result))

    def v2_playbook_on_stats(self, stats):
        self._display.display(json.dumps(self.results))
"""
OWN_MODULE = """\
#!/usr/bin/python3
import json
# WANT_JSON
print(json.dumps({"failed": True, "msg": "no", "record": "a record of the team"}))
"""
SCREENS = {
    "default": {"ANSIBLE_STDOUT_CALLBACK": "default"},
    "minimal": {"ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_VERBOSITY": "1"},
    "json": {"ANSIBLE_STDOUT_CALLBACK": "json"},
}
MESSAGE = "which proscribe_compliance_gate does not allow"
OF_A_RECORD = ("rules_evaluated", "proscribe/host/1", "checked_at")


@pytest.fixture
def organisation(tmp_path):
    made = Organisation(tmp_path)
    made.configured("")
    made.inventory(proscribe_compliance_gate="incomplete", proscribe_categories="[instant_messaging]")
    (tmp_path / "callback_plugins").mkdir()
    (tmp_path / "callback_plugins" / "json.py").write_text(DOCUMENT)
    made.playbook(PLAY)
    return made


@pytest.mark.parametrize("screen", SCREENS)
def test_the_message_is_printed_and_the_record_is_registered(organisation, screen):
    done = organisation.started("site.yml", **SCREENS[screen])
    said = done.stdout + done.stderr
    assert done.returncode == 10, said
    assert said.count(MESSAGE) >= 3 and not [word for word in OF_A_RECORD if word in said], said
    if screen == "json":
        printed = json.loads(done.stdout)
        assert len(printed) == 3 and {result["record"] for result in printed} == {LEFT_OUT_TEXT}
    assert (done.stderr if screen == "json" else said).count("coverage 3 of 3") == 1, said
    assert "Traceback" not in said and "Callback dispatch" not in said
    for host in ("one", "two", "three"):
        observed = json.loads((organisation.directory / f"{host}.json").read_text())
        assert observed["failed"] and observed["record"]["state"] == "noncompliant" and observed["record"]["rules"]
    assert organisation.covered == [(3, 3)] and set(organisation.states.values()) == {"noncompliant"}


@pytest.mark.parametrize("screen", ["default", "json"])
def test_a_loop_prints_a_message_for_each_item(organisation, screen):
    register = "          register: observed\n"
    organisation.playbook(PLAY.replace(register, f"{register}          loop: [1, 2]\n"))
    done = organisation.started("site.yml", **SCREENS[screen])
    said = done.stdout + done.stderr
    assert said.count(MESSAGE) >= 6 and not [word for word in OF_A_RECORD if word in said], said
    observed = json.loads((organisation.directory / "one.json").read_text())
    assert [result["record"]["state"] for result in observed["results"]] == ["noncompliant"] * 2


def test_record_is_printed_with_vvv_and_results_of_other_tasks_are_left_whole(organisation):
    done = organisation.started("site.yml", "-vvv", **SCREENS["default"])
    assert done.returncode == 10 and "rules_evaluated" in done.stdout
    (organisation.directory / "library").mkdir()
    (organisation.directory / "library" / "team_check.py").write_text(OWN_MODULE)
    organisation.playbook(PLAY + "- {hosts: elsewhere, gather_facts: false, tasks: [{team_check: }]}\n")
    assert "a record of the team" in organisation.started("site.yml", **SCREENS["default"]).stdout
