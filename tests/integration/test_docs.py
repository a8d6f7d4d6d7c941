"""Every command of the documents does what they say, on a controller and three hosts of its own."""

import json
import re
import shlex
from fnmatch import fnmatchcase
from pathlib import Path

import doc_not_run
import pytest
from derived.first_hour import PAGE
from desk import HOSTS, PORTABLE, REPOSITORY, SECRET, WIDTH, desk, shell
from doc_blocks import CONSOLE, Command, File, blocks, commands_of, parts, read
from doc_not_run import without_comment
from doc_shell import codes, missing, written
from machines import podman
from patience import until
from printed import too_wide, unread

pytestmark = pytest.mark.whole_hosts
PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = read(PROJECT)
TUTORIAL = "docs/tutorial.md"
LIVED = (TUTORIAL, PAGE)  # from their first line to their last, each in a test of its own
# These lift what the others observe, so they come last.
LAST = ("docs/how-to/upgrade.md", "README.md", "docs/firewall-changes.md", "docs/apps.md", "docs/how-to/uninstall.md")
# Those with a command to run.
RUN = {
    path: [p for p in parts(path, text) if isinstance(p, Command) and not doc_not_run.reason(p.text)]
    for path, text in DOCUMENTS.items()
}
OTHERS = [path for path in RUN if RUN[path] and path not in LIVED]
OTHERS.sort(key=lambda path: (path in LAST and LAST.index(path) + 1, path))
REPORTS = "/opt/proscribe/reports"
PROSCRIBES = re.compile(r"(?:^|[;&|] *)\./proscribe ")
# What ansible-core itself says, in one line, of a limit that matches no host.
ANSIBLES = "[ERROR]: Specified inventory, host pattern and/or --limit leaves us with no hosts to target."
# What a reader's own hands do: the rest of the working day passes for the controller alone, and at once.
FAKETIME = "LD_PRELOAD='/usr/$LIB/faketime/libfaketime.so.1' FAKETIME"
LATER = f"export {FAKETIME}=+8h"
YESTERDAY = f"export {FAKETIME}=-1d"  # when the history begins: a trend needs two days
TODAY = "unset FAKETIME LD_PRELOAD"
DONE_OTHERWISE = {"<this repository>": REPOSITORY, "sleep 8h": LATER}
CHECKOUT = "/srv/docs/proscribe"
PRISTINE = "/srv/docs/pristine"  # the same; runs know an inventory by its path, so the checkout is restored in place
HERS = "/home/alice/proscribe"
PROD = """\
pilot: {{hosts: {{web01: {{ansible_host: {0}, ansible_user: root}}}}}}
finance: {{hosts: {{pc17: {{ansible_host: {1}, ansible_user: root}}}}}}
press: {{hosts: {{press01: {{ansible_host: {2}, ansible_user: ops, ansible_become_password: {secret}}}}}}}
"""
POLICY = "proscribe_categories: [instant_messaging, webmail]\nproscribe_effective_from: 2024-10-31\n"
APPROVERS = "press: {head: head.of.press}\nfinance: {head: head.of.finance}\npilot: {head: head.of.pilot}\n"
WAIVER = """\
id: {host}-{service}
services: [{service}]
hosts: [{host}]
reason: For the documents
requested_by: chan.tai.man
approved_by: {approver}
approved_on: 2026-11-02T10:00:00+08:00
expires: 2027-04-30T18:00:00+08:00
"""
# sudo drops what names the Ansible that is here; without it the launcher would fetch one.
SUDO = """\
echo 'Defaults env_keep += "PROSCRIBE_ANSIBLE_PLAYBOOK"' >/etc/sudoers.d/ansible
echo 'alice ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/alice
"""
COMMITTED = f"""\
cd {CHECKOUT}
dated() {{ GIT_COMMITTER_DATE=$1 GIT_AUTHOR_DATE=$1 git commit --quiet --message "$2"; }}
git checkout --quiet --orphan docs && git add --all
git rm --quiet --cached catalog/instant_messaging/signal.yml && dated 2026-10-01T00:00:00Z 'The first' && git tag v0.2.0
git add --all && dated 2026-11-20T00:00:00Z 'Catalogue: Signal'
cp -r inventory/prod /srv/inventory && cd /srv/inventory && git init --quiet && git add --all
dated 2026-10-01T00:00:00Z 'The policy'
"""
SLICES = ("web01", "'!web01'")
# Commands that the text says are typed on a host.
FIREWALL, LOG, SEARCH = "systemctl stop proscribe-firewall-watch *", "journalctl -t ansible-*", "find / -xdev *"
ON_HOSTS = dict.fromkeys((FIREWALL, LOG, SEARCH), "fin01")
# A command that the text says alice types: git lets sudo read what belongs to the account that typed it.
ALICES = "sudo git clone --no-hardlinks *"
# What the documents say for something that is called otherwise here: a repository, a thing in the quarantine, runs.
PLACEHOLDERS = ("<this repository>", "wechat-3fa4b2c1", "20261125T003000Z-audit-1a2b", "RUN RUN")
# The exit codes that are not 0: what is explained is blocked, something changes, or it is said.
CODES = {
    "./proscribe explain -i inventory/prod mail.google.com": 1,
    "./proscribe explain -i inventory/prod web.whatsapp.com": 1,
    "./proscribe explain web.whatsapp.com -i inventory/prod --limit guests-devices": 1,
    "./proscribe explain web.whatsapp.com -i inventory/prod --limit phone-standard": 1,
    "./proscribe explain https://web.whatsapp.com/ -i inventory/prod --limit mac-standard": 1,
    "./proscribe explain https://web.whatsapp.com/ -i inventory/prod --limit desktop-standard": 1,
    "./proscribe diff -i inventory/prod HEAD~1": 1,
    "./proscribe diff HEAD~1 -i inventory/prod": 1,
    "./proscribe diff 2026-11-01 -i /srv/inventory": 1,
    "./proscribe diff v0.2.0 -i inventory/prod --limit finance": 1,
    "./proscribe collect -i inventory/prod": 2,  # no host runs by itself here, so there is nothing to collect
}


class Prepared:
    """An inventory in production with its history. Each block begins with the checkout as it is made here."""

    def __init__(self, fleet):
        self.fleet = fleet
        controller = fleet.controller
        for name, host in fleet.hosts.items():  # the tutorial has switched one off
            podman("start", host.name)
            host.wait_until_booted()
            account = "ops" if name == "lab01" else "root"
            until(lambda who=f"{account}@{name}": controller.succeeds("ssh", "-o", "ConnectTimeout=3", who, "true"))
        controller.script(SUDO)
        controller.run("git", "clone", "--quiet", REPOSITORY, CHECKOUT)
        addresses = [fleet.addresses[host] for host in HOSTS]
        self._file("hosts.yml", PROD.format(*addresses, secret=json.dumps(SECRET)))
        self._file("group_vars/all.yml", POLICY)
        self._file("approvers.yml", APPROVERS)
        key = controller.read("/root/.ssh/id_ed25519.pub").strip()
        self._file("allowed_signers", f'head.of.press namespaces="proscribe-waiver" {key}\n')
        self._waiver("press01", "whatsapp", "head.of.press", "press-whatsapp")
        fleet.hosts["fin01"].script(PORTABLE)
        with self.shell(CHECKOUT) as typed:
            typed.run(YESTERDAY)
            succeed(typed, "./proscribe audit -i inventory/prod")
            typed.run(TODAY)
            succeed(typed, "./proscribe enforce -i inventory/prod --limit web01,pc17")
            for limit in SLICES:
                succeed(typed, f"./proscribe audit -i inventory/prod -e proscribe_round=1 --limit {limit}")
            controller.script(f"rm -r {CHECKOUT}/reports/*-enforce-*")  # it is no slice of an audit
            # What is restored is then nothing that the next run takes again.
            self._waiver("pc17", "telegram", "head.of.finance")
            controller.script(COMMITTED)
            succeed(typed, "./proscribe audit -i inventory/prod")
            listed = typed.run("./proscribe quarantine list -i inventory/prod --format json 2>/dev/null").printed
            slices = typed.run("ls reports | grep -- -audit-").printed.split()[1:]  # without yesterday's
        controller.script(f"mkdir -p /srv/ci && cp -r {CHECKOUT}/reports/latest/ /srv/ci/baseline")
        controller.script(f"mv {CHECKOUT} {PRISTINE} && cp -a {PRISTINE} {HERS} && chown -R alice: {HERS}")
        item_id = json.loads(listed)["items"][0]["id"]
        self._values = dict(zip(PLACEHOLDERS, (REPOSITORY, item_id, slices[-1], " ".join(slices[:2])), strict=True))

    def afresh(self, files):
        """Restore the checkout as it was made, add new files, and delete what a block makes elsewhere."""
        add = [f"test -e {shlex.quote(file.name)} || {{ {written(file)}; }}" for file in files]
        restore = f"rm -rf {CHECKOUT} /opt/proscribe && cp -a {PRISTINE} {CHECKOUT} && cd {CHECKOUT}"
        self.fleet.controller.script("\n".join((restore, *add)))

    def shell(self, directory):
        return shell(self.fleet, directory, PROSCRIBE_ANSIBLE_PLAYBOOK="/usr/bin/ansible-playbook")

    def real(self, text):
        """A command of a document as it is typed on the controller."""
        host = next((host for pattern, host in ON_HOSTS.items() if fnmatchcase(text, pattern)), "")
        for placeholder, meant in self._values.items():
            text = text.replace(placeholder, meant)
        if fnmatchcase(text, ALICES):
            return f"su alice --command {shlex.quote(text)}"
        return f"ssh {host} {shlex.quote(text)}" if host else text

    def _file(self, name, content):
        self.fleet.controller.write(f"{CHECKOUT}/inventory/prod/{name}", content)

    def _waiver(self, host, service, approver, id_=""):
        text = WAIVER.format(host=host, service=service, approver=approver)
        id_ = id_ or f"{host}-{service}"
        self._file(f"waivers/{id_}.yml", text.replace(f"id: {host}-{service}", f"id: {id_}"))


def succeed(typed, text):
    done = typed.run(text)
    assert done.code == 0, (text, done.printed)


@pytest.fixture(scope="module")
def fleet():
    with desk("docs") as booted:
        yield booted


@pytest.fixture(scope="module")
def prepared(fleet):
    return Prepared(fleet)


def test_the_day_of_the_tutorial_is_as_it_is_written(fleet):
    steps = list(parts(TUTORIAL, DOCUMENTS[TUTORIAL]))
    ends_with = dict(codes([part for part in steps if isinstance(part, Command)], {}))
    with shell(fleet, "/root") as typed:
        for part in steps:
            if isinstance(part, File):
                assert typed.run(written(part)).code == 0, part
                continue
            text = part.text
            for placeholder, meant in DONE_OTHERWISE.items():
                text = text.replace(placeholder, meant)
            runs = reports(fleet)
            done = typed.run(text)
            assert done.code == ends_with[part], (part.where, part.text, done)
            assert missing(part.output, done.printed) == [], f"{part.where}: {part.text}\n{done.printed}"
            if PROSCRIBES.search(text):
                wide = too_wide(done.printed.replace(ANSIBLES, ""), WIDTH)
                assert wide == [], f"{part.where}: {part.text}\n{done.printed}"
                for run in reports(fleet) - runs:
                    assert unread(reasons(fleet, run), done.printed) == [], f"{part.where}: {part.text}\n{done.printed}"


def reports(fleet):
    return set(fleet.controller.run("sh", "-c", f"ls {REPORTS}/*/hosts.jsonl 2>/dev/null || true").split())


def reasons(fleet, path):
    records = [json.loads(line) for line in fleet.controller.read(path).splitlines()]
    steps = [record["reason"] for record in records if record["reason"]]
    steps += [error["message"] for record in records for error in record["errors"]]
    states = ("error", "unknown")
    return steps + [rule["reason"] for record in records for rule in record["rules"] if rule["state"] in states]


@pytest.mark.parametrize("path", OTHERS)
def test_every_command_of_a_document_ends_as_it_says(path, prepared):
    files = [part for part in parts(path, DOCUMENTS[path]) if isinstance(part, File)]
    for block in blocks(path, DOCUMENTS[path]):
        if block.language == CONSOLE:
            run_block(list(commands_of(block)), files, prepared)


def run_block(commands, files, prepared):
    """Run a block in a shell of its own; one that begins with a clone begins in an empty directory."""
    prepared.afresh(files)
    place = CHECKOUT
    if "git clone" in commands[0].text:
        place = prepared.fleet.controller.run("mktemp", "--directory").strip()
    with prepared.shell(place) as typed:
        for command, code in codes(commands, CODES):
            if not doc_not_run.reason(command.text):
                done = typed.run(prepared.real(without_comment(command.text)))
                assert done.code == code, (command.where, command.text, done)


def test_no_table_names_what_no_document_has_any_more():
    every = {path: [p.text for p in parts(path, DOCUMENTS[path]) if isinstance(p, Command)] for path in DOCUMENTS}
    others = [without_comment(text) for path in OTHERS for text in every[path]]
    assert [command for command in CODES if command not in others] == []
    assert [pattern for pattern in (ALICES, *ON_HOSTS) if not any(fnmatchcase(text, pattern) for text in others)] == []
    assert [placeholder for placeholder in PLACEHOLDERS if not any(placeholder in text for text in others)] == []
    assert [
        placeholder for placeholder in DONE_OTHERWISE if not any(placeholder in text for text in every[TUTORIAL])
    ] == []


def test_printed_text_may_differ_in_numbers_alone():
    printed = "3 hosts: 2 noncompliant   coverage\n apps/x  waived  fin01: dpkg x 4.1 as telegram-7831071f\n"
    assert missing(["1 host: ..."], printed) == ["1 host: ..."]
    assert missing(["12 hosts: 9 noncompliant   coverage", "..."], printed) == []
    assert missing(["apps/x  waived ... as telegram-0a0a0a0a", ""], printed) == []
    assert missing(["apps/x  compliant"], printed) == ["apps/x  compliant"]
    assert missing(["Fri 2026-11-27 02:53 UTC  16h -"], "Sat 2026-11-28 02:36 UTC 3h 40min -") == []
