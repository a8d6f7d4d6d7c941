"""What a real run proposes, pasted into a real shell: the same scope, and a program that is there."""

import os
import subprocess

import pytest
from checkout import PROJECT, REAL_ANSIBLE, clean_environment
from pasting import Shell, commands, recorded, recorder
from processes import MERGED

pytestmark = pytest.mark.playbook

SCOPE = ["-i", "our hosts", "-i", "more.yml", "-t", "dns", "-e", "proscribe_dns_backend=hosts", "-e", "@more vars.yml"]
SCOPE += ["-e", '{"note": "it\'s $HOME"}', "-u", "ops", "--vault-password-file", "pw"]
DRY = ["--check", "--diff", "--limit", "o*:two"]


class Desk:
    """A directory with inventories that somebody works in, and a link to the launcher on the PATH."""

    def __init__(self, directory):
        self.directory = directory / "desk"
        self.log = directory / "log"
        (self.directory / "our hosts").mkdir(parents=True)
        hosts = "department: {hosts: {%s: {ansible_connection: local}}}\n"
        (self.directory / "our hosts" / "hosts.yml").write_text(hosts % "one")
        (self.directory / "more.yml").write_text(hosts % "two")
        # An old catalogue would add a command that touches no host.
        (self.directory / "more vars.yml").write_text("proscribe_catalog_max_age: forever\n")
        (self.directory / "pw").write_text("x\n")
        (directory / "bin").mkdir()
        (directory / "bin" / "proscribe").symlink_to(PROJECT / "proscribe")
        # In ansible-playbook's place when what was printed is pasted; in the run itself it is the real one.
        self.made = recorder(directory / "made" / "ansible-playbook", self.log)
        self.path = f"{directory / 'bin'}:{os.environ['PATH']}"
        self.reports = directory / "reports"

    def environment(self, **more):
        return clean_environment(PROSCRIBE_REPORTS=str(self.reports), PATH=self.path, **more)

    def run(self, *argv, cwd=None, columns=80, **environment):
        own = self.environment(PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE, COLUMNS=str(columns), **environment)
        return str(subprocess.run(argv, cwd=cwd or self.directory, env=own, **MERGED).stdout)

    def pasted(self, screen, columns=80, cwd=None):
        variables = self.environment(PROSCRIBE_ANSIBLE_PLAYBOOK=str(self.made))
        variables["PATH"] = f"{self.made.parent}:{self.path}"
        with Shell("bash", columns, cwd or self.directory, variables) as shell:
            for command in commands(screen):
                shell.paste(command)
        return recorded(self.log)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.mark.parametrize(("how", "columns"), [("path", 40), ("relative", 80), ("absolute", 200)])
def test_the_dry_run_that_an_audit_proposes_is_one_in_the_scope_of_the_audit(desk, how, columns):
    absolute = str(PROJECT / "proscribe")
    program = {"path": "proscribe", "relative": os.path.relpath(absolute, desk.directory), "absolute": absolute}[how]
    screen = desk.run(program, "audit", *SCOPE, "-l", "o*:two", columns=columns)
    assert f"{program} enforce --check --diff " in screen, screen
    ((_, arguments, place),) = desk.pasted(screen, columns)
    assert (arguments, place) == ([f"{PROJECT}/playbooks/enforce.yml", *DRY, *SCOPE], str(desk.directory))


def test_plain_ansible_playbook_proposes_itself_with_its_configuration(desk):
    relative = os.path.relpath(PROJECT / "playbooks", desk.directory)
    configured = {"ANSIBLE_CONFIG": f"{PROJECT}/ansible.cfg"}
    screen = desk.run(REAL_ANSIBLE, f"{relative}/audit.yml", *SCOPE, "-l", "o*:two", **configured)
    printed = commands(screen)
    assert len(printed) == 1, screen
    called = desk.pasted(printed[0].replace(REAL_ANSIBLE, "ansible-playbook"))
    assert [arguments for _, arguments, _ in called] == [[*DRY, f"{relative}/enforce.yml", *SCOPE]]


def test_a_report_that_is_shown_elsewhere_says_where_its_command_is_typed(desk, tmp_path):
    desk.run("proscribe", "audit", *SCOPE, "-l", "o*:two")
    ((_, arguments, place),) = desk.pasted(desk.run("proscribe", "report", cwd=tmp_path), cwd=tmp_path)
    assert (arguments, place) == ([f"{PROJECT}/playbooks/enforce.yml", *DRY, *SCOPE], str(desk.directory))


def test_a_password_on_the_command_line_is_repeated_nowhere_and_the_command_fails_until_it_is_in_a_file(desk):
    screen = desk.run("proscribe", "audit", *SCOPE, "-e", "ansible_become_password=hunter2")
    assert "hunter2" not in screen and "put ansible_become_password into proscribe-secret-vars.yml" in screen
    assert "-e @proscribe-secret-vars.yml" in screen
    assert [path for path in desk.reports.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()] == []
    for command in commands(screen):
        output = desk.run("sh", "-c", command)
        assert "proscribe-secret-vars.yml" in output and "nothing was evaluated" in output
