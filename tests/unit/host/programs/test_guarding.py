"""The guard of scheduled runs: it refuses files that others can change, and sends alerts. Each test has a process."""

import json
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

PROJECT = Path(__file__).resolve().parents[4]
CALL = """
import sys
sys.path.insert(0, sys.argv[1])
from proscribe.host.programs.guarding import guard
guard.PAUSE_SECONDS, guard.SENDMAIL_PATH = 0, sys.argv[2] + "/sendmail"
sys.exit(guard.run_guard(sys.argv[3:], sys.argv[2] + "/schedule.json"))
"""
SENDMAIL = "#!/bin/sh\nid -un >{0}/mailed-by\n{{ echo to: $3; cat; }} >{0}/mail\n"
SYSTEMCTL = """#!/bin/sh
case $3 in
    --property=ExecStartPre) cat {0}/check-of-$4 ;;
    *) echo of-$4 ;;
esac
"""
# As systemd prints how a command of a unit ended (systemctl(1), show).
ENDED = "{{ path=/x ; argv[]=/x check --alert ; ignore_errors=no ; pid=7 ; code=exited ; status={} }}\n"
LOG = "proscribe: could not set up /srv/.venv\\033[2J"
ME = pwd.getpwuid(os.geteuid()).pw_name


class Controller:
    """A checkout with its guard, a journal, and channels of alerts."""

    def __init__(self, root: Path, server: Loopback) -> None:
        self.root, self.server, self.checkout = root, server, root / "checkout"
        (self.checkout / "roles").mkdir(parents=True)
        self.write_program("sendmail", SENDMAIL.format(root))
        self.write_program("systemctl", SYSTEMCTL.format(root))
        self.write_program("journalctl", f"#!/bin/sh\nprintf '%s: {LOG}\\n' \"$6\"\n")
        self.configure(webhook=f"{server.url}/hook?token=secret")

    def write_program(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)
        (self.root / name).chmod(0o755)

    def configure(self, account: str = ME, **alerts: str) -> None:
        content = {"account": account, "paths": [str(self.checkout)], "alerts": alerts}
        (self.root / "schedule.json").write_text(json.dumps(content))

    def __call__(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {**os.environ, "PATH": f"{self.root}:{os.environ['PATH']}", **environment}
        argv = [sys.executable, "-IB", "-c", CALL, str(PROJECT / "module_utils"), str(self.root), *words]
        return subprocess.run(argv, env=own, capture_output=True, text=True, timeout=120)

    @property
    def alerts(self) -> list[Any]:
        return [sent.facts for sent in self.server.got]


@pytest.fixture
def controller(tmp_path):
    with Loopback() as server:
        yield Controller(tmp_path, server)


def test_run_whose_files_only_its_account_can_change_starts(controller):
    done = controller("check", "--alert")
    assert (done.returncode, done.stderr, controller.alerts) == (0, "", [])
    controller.configure("nosuch", webhook=f"{controller.server.url}/hook")
    assert controller("check", "--alert").returncode == 77
    assert ["no account nosuch" in alert["text"] for alert in controller.alerts] == [True]


@pytest.mark.parametrize("alerts", [True, False])
def test_run_whose_files_others_can_change_is_refused_with_an_alert(controller, alerts):
    (controller.checkout / "roles").chmod(0o777)
    controller.configure(webhook=f"{controller.server.url}/hook", ntfy="only Ansible can")
    done = controller("check", *["--alert"] * alerts)
    reason = f"{controller.checkout}/roles (of {ME}, mode 0777) can be changed by everybody"
    command = f"chmod -R go-w {controller.checkout}/roles"
    assert done.returncode == 77 and reason in done.stderr and command in done.stderr
    assert len(controller.alerts) == alerts
    for alert in controller.alerts:
        assert (alert["schema"], alert["subject"]) == ("proscribe/notice/1", "Proscribe: a scheduled run was refused")
        assert reason in alert["refused"] and command in alert["text"]


@pytest.mark.parametrize(
    ("result", "status", "reported", "sent"),
    [
        ("success", "0", (), False),
        ("exit-code", "76", (), True),
        ("timeout", "", (), True),
        ("exit-code", "1", ("1",), False),
        ("exit-code", "78", ("1",), True),
    ],
)
def test_unreported_failure_is_sent_with_the_end_of_the_log(controller, result, status, reported, sent):
    environment = {"INVOCATION_ID": "own", "SERVICE_RESULT": result, **({"EXIT_STATUS": status} if status else {})}
    done = controller("alert", "proscribe-drift.service", *reported, **environment)
    assert done.returncode == 0 and len(controller.alerts) == sent
    for alert in controller.alerts:
        for invocation in ("of-proscribe-drift.service", "own"):
            assert f"_SYSTEMD_INVOCATION_ID={invocation}: proscribe: could not set up /srv/.venv" in alert["text"]
        assert "\x1b" not in alert["text"]


@pytest.mark.parametrize(("status", "sent"), [("77", False), ("78", True), ("0", True)])
def test_refusal_is_sent_once_and_other_failures_are_sent(controller, status, sent):
    """The check of the run has sent it. Files that others could change only later say nothing about that run."""
    controller.checkout.chmod(0o777)
    (controller.root / "check-of-proscribe-drift.service").write_text(ENDED.format(status))
    assert controller("alert", "proscribe-drift.service", SERVICE_RESULT="exit-code", EXIT_STATUS="77").returncode == 0
    assert len(controller.alerts) == sent


def test_refusal_that_no_channel_took_is_left_to_the_next_unit(controller):
    controller.checkout.chmod(0o777)
    controller.server.codes = [503, 503, 503]
    assert controller("check", "--alert").returncode == 78


def test_alert_that_one_channel_refuses_goes_to_the_other(controller):
    controller.checkout.chmod(0o777)
    controller.server.codes = [302, 503, 503]
    url = f"{controller.server.url}/hook?token=secret"
    controller.configure(webhook=url, ntfy="https://ntfy.example.org/secret", mail="it@example.org")
    done = controller("check", "--alert")
    assert done.returncode == 77 and len(controller.alerts) == 3
    assert "by webhook: HTTP Error 503" in done.stderr and "by ntfy: this channel needs Ansible" in done.stderr
    assert "secret" not in done.stderr
    mail = (controller.root / "mail").read_text()
    assert mail.startswith("to: it@example.org\n") and "Subject: Proscribe: a scheduled run was refused" in mail


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have rights to give away")
def test_alerts_are_sent_without_roots_rights():
    with tempfile.TemporaryDirectory() as place, Loopback() as server:
        os.chmod(place, 0o755)
        controller = Controller(Path(place), server)
        for name in ("mail", "mailed-by"):
            (controller.root / name).touch()
            (controller.root / name).chmod(0o666)
        controller.checkout.chmod(0o777)
        controller.configure("nobody", mail="it@example.org")
        assert controller("check", "--alert").returncode == 77
        assert (controller.root / "mailed-by").read_text() == "nobody\n"
