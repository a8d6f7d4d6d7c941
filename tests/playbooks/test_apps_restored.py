"""The launcher handles a portable app from end to end."""

import json
import os
import shutil
import subprocess
import sys
import time

import jsonschema
import pytest
from checkout import AS_ROOT, PROJECT, REAL_ANSIBLE, clean_environment, proscribe
from patience import LONGEST

pytestmark = AS_ROOT

INTERPRETER = """#!/bin/sh
exec unshare --mount sh -c '
    cd {host} && mount --bind etc /etc && mount --bind lib /var/lib && mount --bind libexec /usr/libexec &&
    mount --bind home /home && mount -t tmpfs tmpfs /run && cd / &&
    cd {project} && mount -t tmpfs tmpfs /tmp && mkdir -p {project} && mount --bind . {project} && cd / &&
    exec {python} "$@"' sh "$@"
"""  # It has a /tmp of its own: there would be what it was made from. (The checkout may lie in /tmp.)
SERVICE = """
id: made_parrot
name: Parrot
category: instant_messaging
vendor: Made for a test
audience: consumer
enforce: true
packages: {apt: [proscribe-made-parrot]}
processes: {linux: [proscribe-made-parrot]}
paths: {linux: [~/proscribe-made-parrot]}
sources: [made]
"""
WAIVER = """
id: parrot
services: [made_parrot]
hosts: [pc17]
users: [alice]
controls: [apps]
reason: Alice looks after a parrot
requested_by: alice
approved_by: head.of.department
approved_on: 2026-01-02T10:00:00Z
expires: {ends}
"""


class Made:
    def __init__(self, directory):
        self.directory = directory
        self.home = directory / "home/alice"
        self.gate = directory / "etc/dpkg/dpkg.cfg.d/proscribe"
        self.quarantine = directory / "lib/proscribe/quarantine"
        (directory / "fleet").mkdir()
        for place in ("etc/dpkg/dpkg.cfg.d", "lib/dpkg/info", "libexec", "home/alice", "catalog/instant_messaging"):
            (directory / place).mkdir(parents=True)
        (directory / "lib/dpkg/status").touch()
        for name in ("group", "nsswitch.conf", "os-release", "ld.so.cache"):
            shutil.copy(f"/etc/{name}", directory / "etc")
        shutil.copytree("/etc/alternatives", directory / "etc/alternatives", symlinks=True)  # such as awk
        accounts = "root:x:0:0:root:/nonexistent:/bin/sh\nalice:x:61234:61234::/home/alice:/bin/sh\n"
        (directory / "etc/passwd").write_text(accounts)
        python = directory / "python"
        python.write_text(INTERPRETER.format(host=directory, project=PROJECT, python=sys.executable))
        python.chmod(0o755)
        (directory / "catalog/instant_messaging/made_parrot.yml").write_text("---" + SERVICE)
        values = {"catalog_dirs": [str(directory / "catalog")], "categories": []}
        values |= {"services_include": ["made_parrot"], "contact": "it-security@example.org"}
        values["requests"] = False  # its /usr/local is this machine's
        variables = {f"proscribe_{name}": value for name, value in values.items()}
        variables |= {"ansible_connection": "local", "ansible_python_interpreter": str(python)}
        (directory / "fleet/hosts.yml").write_text(json.dumps({"department": {"hosts": {"pc17": variables}}}))
        (directory / "fleet/approvers.yml").write_text("department: {head: head.of.department}\n")
        (directory / "fleet/allowed_signers").touch()

    def app(self):
        """Alice unpacks an app, with what shows that it is one, beside a letter of hers."""
        app = self.home / "proscribe-made-parrot"
        app.mkdir()
        for name in ("proscribe-made-parrot", "libparrot.so"):
            shutil.copy("/usr/bin/true", app / name)
        (self.home / "letter").write_text("dear diary")
        for path in (*app.iterdir(), app, self.home / "letter", self.home):
            os.chown(path, 61234, 61234)
            os.utime(path, ns=(1_500_000_000_111_222_333, 1_600_000_000_444_555_666))
        return app

    def __call__(self, word, *options):
        words = (*word.split(), "-i", "fleet", "--tags", "apps", *options)
        return proscribe(*words, reports=self.directory / "reports", cwd=self.directory)

    @property
    def record(self):
        return dict(json.loads((self.directory / "reports/latest/hosts.jsonl").read_text()))

    @property
    def quarantined(self):
        return [path.name for path in self.quarantine.glob("*") if path.is_dir()]

    def picture(self):
        """Everything at home, but for what restoring a name does to the directory above it."""
        states = [(path, path.lstat(), path.read_bytes() if path.is_file() else b"") for path in self.home.rglob("*")]
        return {str(path): (*seen[:1], *seen[4:6], seen.st_mtime_ns, content) for path, seen, content in states}


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


@pytest.fixture
def taken(made):
    """The app, and its id in the quarantine, once a run has taken it."""
    app = made.app()
    assert made("enforce").code == 0 and not app.exists()
    (id_,) = made.quarantined
    return app, id_


def test_restored_by_its_id_while_the_ban_stays_and_lifted_with_the_ban(made):
    app = made.app()
    before = made.picture()

    for options in (("--check", "--diff"), ()):
        ended = made("enforce", *options)
        assert ended.code == 0, ended.said
        assert "quarantine /home/alice/proscribe-made-parrot" in ended.said and app.exists() == bool(options)
    assert made.record["state"] == "repaired" and made.gate.exists()
    assert [path.name for path in made.home.iterdir()] == ["letter"]

    # The report names the id under which it can be restored.
    (id_,) = made.quarantined
    path = "/home/alice/proscribe-made-parrot"
    assert f"changed: pc17 quarantine {path} as {id_}" in ended.said
    assert {"control": "apps", "action": f"quarantine {path} as {id_}", "quarantine_id": id_} in made.record["actions"]

    listed = made("quarantine list")
    assert listed.code == 0, listed.said
    assert all(word in listed.said for word in ("pc17", id_, "alice", "made_parrot", "directory", path)), listed.said

    # Nothing comes back that the next run would take, unless that is accepted.
    for options in ((), ("--check",), ("--accept-loss", "--check")):
        refused = made("quarantine restore", "--id", id_, *options)
        assert (refused.code == 0) == ("--check" in options), refused.said
        assert f"{id_}  {path} (alice, " in refused.said
        assert "the next enforcing run takes it again: no waiver covers made_parrot there" in refused.said
        assert ("--accept-loss as well" in refused.said) == (not options), refused.said
        assert not app.exists() and made.quarantined == [id_]
    ended = made("quarantine restore", "--id", id_, "--accept-loss")
    assert ended.code == 0, ended.said
    assert "restored 1 of 1 item on 1 host; the ban was not lifted; " in ended.said
    assert "not in force" not in ended.said and "enforces it again" not in ended.said
    assert made.picture() == before and made.quarantined == [] and made.gate.exists()

    # What was said is so: the ban is in force, and the next run takes it.
    assert made("audit").code == 0
    (rule,) = [rule for rule in made.record["rules"] if rule["rule"] == "apps/made_parrot"]
    assert (rule["state"], rule["findings"][0]["path"]) == ("noncompliant", path)
    assert made("enforce").code == 0 and not app.exists()

    # A dry lift changes no state, and after a lift no output has the state from before it.
    metrics, page = made.directory / "reports/latest/metrics.prom", made.directory / "reports/latest/report.html"
    assert made("lift", "--check").code == 0
    assert 'proscribe_control_hosts{control="apps",mode="enforce",state="repaired"} 1\n' in metrics.read_text()
    ended = made("lift")
    assert ended.code == 0, ended.said
    assert made.picture() == before and not made.gate.exists() and not made.quarantine.exists()
    assert 'proscribe_control_hosts{control="apps",mode="enforce",state="lifted"} 1\n' in metrics.read_text()
    assert 'proscribe_host_state{host="pc17",state="lifted"} 1\n' in metrics.read_text()
    assert "The ban is lifted in part on this host" in page.read_text()
    reports = made.directory / "reports"
    since = proscribe("report", "--since", "1d", "--json", "-i", "fleet", reports=reports, cwd=made.directory)
    past = json.loads(since.said[since.said.index("{") : since.said.rindex("}") + 1])
    assert [(entry["host"], entry["controls"]) for entry in past["lifted"]] == [("pc17", ["apps"])]
    assert past["wrong"] == []
    answer = proscribe("explain", "made_parrot", "-i", "fleet", reports=reports, cwd=made.directory)
    assert ": lifted" in answer.said and "pc17: lifted" in answer.said and "repaired" not in answer.said, answer.said
    assert made("audit").code == 0
    assert 'proscribe_host_state{host="pc17",state="noncompliant"} 1\n' in metrics.read_text()


def test_waived_app_is_restored_without_more_options_and_stays(made, taken):
    app, id_ = taken
    waivers = made.directory / "fleet/waivers"
    waivers.mkdir()
    ends = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 30 * 86400))
    (waivers / "parrot.yml").write_text(WAIVER.format(ends=ends))
    ended = made("quarantine restore", "--id", id_)
    assert ended.code == 0, ended.said
    assert "covered by waiver parrot (until " in ended.said and "takes" not in ended.said and app.exists()
    assert made("enforce").code == 0 and app.exists() and made.record["state"] == "waived"


def test_a_forgotten_or_mistyped_option_moves_nothing_and_lifts_nothing(made, taken):
    app, id_ = taken
    mistakes = [
        (("quarantine restore",), "restore: found no selector, expected one of --host"),
        (("quarantine restore", id_), f"an id is given with --id {id_}"),
        (("quarantine restore", "--id", id_[:-1] + ("0" if id_[-1] != "0" else "1")), f"did you mean '{id_}'?"),
        (("lift", "-e", f"proscribe_restore={id_}"), f"restore, --id {id_}, and this run's other options"),
        (("lift", "-e", f"proscribe_restor={id_}"), "expected a known variable"),
    ]
    for words, message in mistakes:
        ended = made(*words)
        assert ended.code == 2, ended.said
        assert message in ended.said.replace("\n", " "), ended.said
        assert "Traceback" not in ended.said
        assert made.quarantined == [id_] and made.gate.exists() and not app.exists()


def test_pruned_for_ever_by_age_and_selector(made, taken):
    app, id_ = taken
    young = made("quarantine prune", "--all", "--older-than", "1d")
    assert young.code == 0 and "nothing in the quarantine matches; nothing is pruned" in young.said, young.said
    for options in (("--check",), ()):
        ended = made("quarantine prune", "--user", "alice", *options)
        assert ended.code == 0, ended.said
        assert "deleted and cannot be restored:" in ended.said and id_ in ended.said
        assert made.quarantined == ([id_] if options else [])
    assert "pruned 1 of 1 item on 1 host; they cannot be restored" in ended.said
    assert not app.exists() and made.gate.exists()
    assert made("enforce").code == 0 and made("lift").code == 0
    assert not made.quarantine.exists() and not app.exists()


def test_never_over_what_stands_there_now_and_the_run_fails_for_it(made, taken):
    app, id_ = taken
    (made.directory / "elsewhere").mkdir(mode=0o777)
    for occupy in (lambda: app.write_text("mine"), lambda: app.symlink_to(made.directory / "elsewhere")):
        occupy()
        os.lchown(app, 61234, 61234)
        ended = made("quarantine restore", "--id", id_, "--accept-loss")
        assert ended.code == 2, ended.said
        assert "something is there now" in ended.said and "restored 0 of 1 item" in ended.said
        assert made.quarantined == [id_] and not list((made.directory / "elsewhere").iterdir())
        app.unlink()


def test_the_list_for_machines_is_all_that_stands_on_standard_output(made, taken):
    variables = json.loads((made.directory / "fleet/hosts.yml").read_text())
    hosts = variables["department"]["hosts"]
    gone = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    hosts["pc18"] = {**hosts["pc17"], **gone}
    (made.directory / "fleet/hosts.yml").write_text(json.dumps(variables))
    command = [str(PROJECT / "proscribe"), "quarantine", "list", "-i", "fleet", "--format", "json"]
    reports = {"PROSCRIBE_REPORTS": str(made.directory / "reports")}
    environment = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE, **reports)
    done = subprocess.run(command, cwd=made.directory, env=environment, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 4, done.stderr
    listing = json.loads(done.stdout)
    assert [(host["host"], host["state"]) for host in listing["hosts"]] == [("pc17", "listed"), ("pc18", "unknown")]
    assert listing["hosts"][1]["reason"].startswith("unreachable: ")
    (item,) = listing["items"]
    assert (item["host"], item["id"], item["user"], item["next_run"]["state"]) == ("pc17", taken[1], "alice", "taken")
    schema = json.loads((PROJECT / "docs/schema/quarantine-list.schema.json").read_text())
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(listing)] == []
    shown = made("quarantine list")
    assert shown.code == 4 and "1 of 2 hosts answered" in shown.said and "unknown: pc18: unreachable" in shown.said
