"""The two callbacks, driven by real ansible-playbook runs on a made project with canned answers."""

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
from canned_project import AUDIT, ENFORCE, FOREIGN, LIFT, Project
from fleets import PROCESS, WECHAT, answer, clean_answer, run, wechat

pytestmark = pytest.mark.slow
BAD = answer(wechat(WECHAT, PROCESS), evaluated=["apps/x"])
HOSTS = ["web01", "web02"]
TEAMS = """
- name: Somebody else's play
  hosts: all
  gather_facts: false
  tasks:
    - name: A file of theirs
      ansible.builtin.copy:
        content: "theirs\\n"
        dest: "{{ playbook_dir }}/theirs-{{ inventory_hostname }}"
        mode: "0644"
"""
DIFFERENCE = {"before_header": "remove wechat", "after_header": "remove wechat", "before": "wechat 4.0\n", "after": ""}
REMEMBERED = {"history": "sqlite", "history_keep": 0, "exports": ["csv", "junit"]}


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def compiled(project, hosts=HOSTS, mode="audit", **changes):
    directory = str(project.path / "reports" / "r1.partial")
    result = run(hosts, mode, directory=directory, inventory=[str(project.path / "hosts")], **changes)
    return {"all": {"proscribe_run": result}}


def observation(record):
    drifted = ["apps"] if record.get("state") == "noncompliant" else []
    return {"record": record, "drifted": drifted, "privileged": True}


def answers(project, observed, enforced=None, **compiling):
    """Canned answers: host records by host (or host/second), and results of restricted_apps by host."""
    states = {host: observation(record) for host, record in observed.items()}
    plans = compiled(project, **compiling)
    return {"compile_plans": plans, "compliance_state": states, "restricted_apps": enforced or {}}


def test_an_audit_with_one_of_two_hosts_unreachable(project):
    project.unreachable = {"web02"}
    gate = {"web01": "incomplete", "web02": "incomplete"}
    done = project.run(AUDIT, answers(project, {"web01": clean_answer()}, gate=gate), HOSTS)
    assert (done.returncode, project.exit) == (4, "11")
    report, records = project.report()
    assert report["summary"]["coverage"] == {"numerator": 1, "denominator": 2, "percent": 50.0}
    assert (records["web01"]["state"], records["web02"]["state"]) == ("compliant", "unknown")
    assert records["web02"]["reason"].startswith("unreachable: ssh: connect to host 127.0.0.1 port 1")
    result = Path(sys.executable).parent / "ansible-playbook"
    ansible = result.name if shutil.which(result.name) == str(result) else result
    assert (
        "\n2 hosts: 1 unknown, 1 compliant   coverage 1 of 2 (50 %)   compliant 1 of 2 (50 %)\n"
        "\nweb02  unknown  unreachable: ssh: connect to host 127.0.0.1 port 1: Connection refused\n"
        "\nnext: ask it again, once reachable:\n"
        f"        env ANSIBLE_CONFIG={project.path}/ansible.cfg {ansible} --limit web02 play.yml -i hosts\n"
        "      reports/r1/report.html\n"
        "\nexit 11: the compliance gate (incomplete) is not met: hosts are unknown\n"
    ) in done.stdout
    assert "UNREACHABLE" not in done.stdout + done.stderr
    assert os.readlink(project.path / "reports" / "latest") == "r1"
    assert stat.S_IMODE((project.path / "reports" / "r1").stat().st_mode) == 0o750


def test_an_audit_whose_gate_fails_a_host_keeps_its_record(project):
    canned = answers(project, {"web01": clean_answer()}, gate={"web02": "noncompliant"})
    canned["compliance_state"]["web02"] = {"failed": True, "msg": "this host is noncompliant", "record": BAD}
    done = project.run(AUDIT, canned, HOSTS)
    assert (done.returncode, project.exit) == (2, "10")
    record = project.report()[1]["web02"]
    assert (record["state"], record["errors"]) == ("noncompliant", []) and "failed:" not in done.stdout


def test_enforcing_shows_changes_and_diffs_and_what_was_repaired(project):
    diff = [{**DIFFERENCE, "before": "wechat \x1b[2J4.0\n"}]
    changed = {"changed": True, "actions": ["end 311", "remove wechat\x1b[2J"], "refused": [], "diff": diff}
    observed = {"web01": BAD, "web01/second": clean_answer(), "web02": clean_answer()}
    canned = answers(project, observed, {"web01": changed}, mode="enforce")
    done = project.run(ENFORCE, canned, HOSTS, "--diff")
    assert (done.returncode, project.exit) == (0, "ansible")
    assert "changed: web01 end 311\nchanged: web01 remove wechat\ufffd[2J\n" in done.stdout
    assert "changed: web01 remove wechat\n    -wechat \ufffd[2J4.0\n" in done.stdout
    assert "\x1b" not in done.stdout and "TASK [" not in done.stdout
    record = project.report()[1]["web01"]
    assert record["state"] == "repaired"
    assert [action["action"] for action in record["actions"]] == ["end 311", "remove wechat\x1b[2J"]


def test_a_failed_correction_is_an_error_of_its_host(project):
    failure = {"failed": True, "msg": "apt is locked", "changed": True, "actions": ["end 311"], "refused": []}
    canned = answers(project, {"web01": BAD, "web02": clean_answer()}, {"web01": failure}, mode="enforce")
    done = project.run(ENFORCE, canned, HOSTS)
    assert (done.returncode, project.exit) == (2, "ansible")
    assert "changed: web01 end 311\nfailed: web01: apt is locked\n" in done.stdout
    record = project.report()[1]["web01"]
    assert (record["state"], record["errors"]) == ("error", [{"control": "apps", "message": "apt is locked"}])


def test_a_dry_run_says_each_change_once_for_all_hosts_that_would_have_it(project):
    changed = {"changed": True, "actions": ["remove wechat", "end 311\x1b[2J"], "refused": [], "notes": ["why\x1b[2J"]}
    enforced = dict.fromkeys(HOSTS, changed | {"diff": [DIFFERENCE]})
    canned = answers(project, dict.fromkeys(HOSTS, BAD), enforced, mode="check")
    done = project.run(ENFORCE + TEAMS, canned, HOSTS, "-C", "--diff")
    block = """\
would change on 2 hosts: web01, web02
  remove wechat
    -wechat 4.0
  end 311\ufffd[2J
  note: why\ufffd[2J

PLAY [Somebody else's play]"""
    assert block in done.stdout and done.stdout.count("remove wechat") == 1
    # What is a team's own is Ansible's to show, host by host.
    assert done.stdout.count("+++ after: ") == len(HOSTS) == done.stdout.count("\n+theirs\n")


def test_a_mistake_in_the_policy_is_printed_once_and_preserves_ansibles_exit_code(project):
    text = "a mistake in the policy; no host was touched\ninventory/all.yml: proscribe_catagories: unknown name"
    mistake = {"compile_plans": {"all": {"failed": True, "msg": text}}}
    for stdout in ("proscribe_stdout", "default"):
        done = project.run(AUDIT, mistake, HOSTS, stdout=stdout)
        assert (done.returncode, project.exit) == (2, "ansible")
        assert (done.stdout + done.stderr).count(f"\n{text}\n" if stdout == "default" else text) == 1
    assert not (project.path / "reports").exists()


@pytest.mark.parametrize("options", [(), ("-v",)])
def test_run_without_evaluated_rules_is_no_success(project, options):
    done = project.run(AUDIT, answers(project, {"web01": BAD}), HOSTS, "--skip-tags", "observe", *options)
    assert (done.returncode, project.exit) == (0, "12")
    assert "exit 12: nothing was evaluated: no host answered for a single rule" in done.stdout


def test_a_pattern_that_matches_no_host_is_no_success(project):
    done = project.run(AUDIT.replace("hosts: all", "hosts: nosuch"), {}, HOSTS)
    assert (done.returncode, project.exit) == (0, "12")
    assert "exit 12: nothing was evaluated: no host was selected" in done.stdout


@pytest.mark.parametrize(("playbook", "mode"), [(AUDIT, "audit"), (ENFORCE, "enforce")], ids=["audit", "enforce"])
def test_a_host_that_answers_rubbish_costs_only_itself(project, playbook, mode):
    rubbish = {"schema": ["\x1b[2J"], "rules": 7, "state": "noncompliant"}
    observed = {"web01": clean_answer(), "web02": rubbish, "web02/second": rubbish}
    done = project.run(playbook, answers(project, observed, mode=mode), HOSTS)
    assert project.exit != "250"
    records = project.report()[1]
    assert (records["web01"]["state"], records["web02"]["state"]) == ("compliant", "unknown")
    assert "\x1b" not in done.stdout


def test_a_report_that_cannot_be_written_is_a_failed_tool_with_a_table(project):
    (project.path / "reports").write_text("in the way", encoding="utf-8")
    done = project.run(AUDIT, answers(project, {"web01": clean_answer(), "web02": BAD}), HOSTS)
    assert (done.returncode, project.exit) == (0, "250") and "the report cannot be written" in done.stderr
    assert "apps/wechat  noncompliant  web02: dpkg wechat 4.0" in done.stdout


def test_a_run_that_the_callback_does_not_understand_is_a_failed_tool(project):
    done = project.run(AUDIT, {"compile_plans": {"all": {"proscribe_run": {"id": "x"}}}}, HOSTS)
    assert (done.returncode, project.exit) == (0, "250")
    assert "Proscribe's report failed, so this run proves nothing" in done.stderr


def test_lifting_writes_no_report(project):
    lifted = {"web01": {"changed": True, "actions": ["delete gate"], "refused": []}}
    lifted["web02"] = {"failed": True, "msg": "apt is locked"}
    done = project.run(LIFT, answers(project, {}, lifted, mode="lift"), HOSTS)
    assert (done.returncode, project.exit) == (2, "ansible")
    assert "lifted on 1 of 2 hosts (1 action); the ban is not in force there" in done.stdout
    assert "not lifted on web02: apt is locked" in done.stdout
    assert not list(project.path.glob("reports/*/report.json"))


def test_a_foreign_playbook_is_shown_as_ansible_shows_it(project):
    ours = project.run(FOREIGN, {}, HOSTS[:1])
    assert not project.exit_file.exists()
    assert ours.stdout == project.run(FOREIGN, {}, HOSTS[:1], stdout="default").stdout
    assert "foreign words" in ours.stdout


def test_a_foreign_play_beside_ours_is_not_hidden(project):
    (project.path / "audit.yml").write_text(AUDIT, encoding="utf-8")
    together = f"- name: Audit first\n  ansible.builtin.import_playbook: audit.yml\n{FOREIGN}"
    done = project.run(together, answers(project, {"web01": BAD, "web02": BAD}), HOSTS)
    for text in ("foreign words", "PLAY [Somebody else's play]", "apps/wechat  noncompliant"):
        assert text in done.stdout
    assert "TASK [Observe the host]" not in done.stdout


def test_verbose_is_ansibles_own_screen_with_our_table(project):
    done = project.run(AUDIT, answers(project, {"web01": BAD, "web02": BAD}), HOSTS, "-v")
    assert "TASK [Observe the host]" in done.stdout and "PLAY RECAP" in done.stdout
    assert "apps/wechat  noncompliant  2 hosts: dpkg wechat 4.0, process /opt/wechat/wechat (alice)" in done.stdout


def test_without_an_exit_file_ansible_playbook_itself_ends_with_the_reports_exit_code(project):
    canned = answers(project, {"web01": BAD, "web02": BAD}, gate={"web01": "noncompliant"})
    done = project.run(AUDIT, canned, HOSTS, environment={"PROSCRIBE_EXIT_FILE": ""})
    assert done.returncode == 10
    assert "\nexit 10: the compliance gate (noncompliant) is not met: hosts are noncompliant\n" in done.stdout
    assert not project.exit_file.exists()


def test_a_history_and_an_export_that_cannot_be_written_are_reported_and_cost_nothing_else(project):
    (project.path / "reports" / "history.db").mkdir(parents=True)
    both = {**REMEMBERED, "exports": ["csv", "nosuch"]}
    done = project.run(AUDIT, answers(project, {"web01": BAD, "web02": clean_answer()}, **both), HOSTS)
    assert (done.returncode, project.exit) == (0, "ansible")
    for text in ("this run is not in the history", "an export could not be written"):
        assert text in done.stderr and any(text in warning for warning in project.report()[0]["warnings"])
