"""What the documents beside the tutorial talk of, on the desk's hosts: an inventory in production with its history.

web01, pc17 and press01 are the three hosts. Each block begins with the checkout as it is made here, and finds nothing
that another one has left in it.
"""

import json
import shlex
from fnmatch import fnmatchcase

from desk import HOSTS, PORTABLE, REPOSITORY, SECRET, shell
from doc_shell import DocShell
from machines import podman
from patience import until
from scheduled_fleet import Fleet

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
SUDO = "echo 'Defaults env_keep += \"PROSCRIBE_ANSIBLE_PLAYBOOK\"' >/etc/sudoers.d/ansible"
COMMITTED = f"""\
cd {CHECKOUT}
dated() {{ GIT_COMMITTER_DATE=$1 GIT_AUTHOR_DATE=$1 git commit --quiet --message "$2"; }}
git checkout --quiet --orphan docs && git add --all
git rm --quiet --cached catalog/instant_messaging/signal.yml && dated 2026-10-01T00:00:00Z 'The first' && git tag v0.2.0
git add --all && dated 2026-11-20T00:00:00Z 'Catalogue: Signal'
cp -r inventory/prod /srv/inventory && cd /srv/inventory && git init --quiet && git add --all
dated 2026-10-01T00:00:00Z 'The policy'
"""
# Commands that the text says are typed on a host.
ON_HOSTS = dict.fromkeys(
    ("systemctl stop proscribe-firewall-watch *", "journalctl -t ansible-*", "find / -xdev *"), "fin01"
)
# What the documents say for something that is called otherwise here: a repository, a thing in the quarantine, runs.
PLACEHOLDERS = ("<this repository>", "wechat-3fa4b2c1", "20261125T003000Z-audit-1a2b", "RUN RUN")
# The exit codes that are not 0: what is explained is blocked, something changes, or it is said.
CODES = {
    "./proscribe explain -i inventory/prod mail.google.com": 1,
    "./proscribe explain -i inventory/prod web.whatsapp.com": 1,
    "./proscribe diff -i inventory/prod HEAD~1": 1,
    "./proscribe diff HEAD~1 -i inventory/prod": 1,
    "./proscribe diff 2026-11-01 -i /srv/inventory": 1,
    "./proscribe diff v0.2.0 -i inventory/prod --limit finance": 1,
    "./proscribe collect -i inventory/prod": 2,  # no host runs by itself here, so there is nothing to collect
}


class Prepared:
    def __init__(self, fleet: Fleet) -> None:
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
            for options in ("enforce --limit web01,pc17", "audit --limit web01", "audit --limit '!web01'"):
                word, _, rest = options.partition(" ")
                done = typed.run(f"./proscribe {word} -i inventory/prod {rest}")
                assert done.code == 0, done.printed
            controller.script(f"rm -r {CHECKOUT}/reports/*-enforce-*")  # it is no slice of an audit
            # What is restored is then nothing that the next run takes again.
            self._waiver("pc17", "telegram", "head.of.finance")
            controller.script(COMMITTED)
            done = typed.run("./proscribe audit -i inventory/prod")
            assert done.code == 0, done.printed
            listed = typed.run("./proscribe quarantine list -i inventory/prod --format json 2>/dev/null").printed
            slices = typed.run("ls reports | grep -- -audit-").printed.split()
        controller.script(f"mkdir -p /srv/ci && cp -r {CHECKOUT}/reports/latest/ /srv/ci/baseline")
        controller.script(f"mv {CHECKOUT} {PRISTINE} && cp -a {PRISTINE} {HERS} && chown -R alice: {HERS}")
        item_id = json.loads(listed)["items"][0]["id"]
        self._values = dict(zip(PLACEHOLDERS, (REPOSITORY, item_id, slices[-1], " ".join(slices[:2])), strict=True))

    def afresh(self) -> None:
        """Restore the checkout as it was made, and delete what a block makes elsewhere."""
        self.fleet.controller.script(f"rm -rf {CHECKOUT} /opt/proscribe && cp -a {PRISTINE} {CHECKOUT}")

    def shell(self, directory: str) -> DocShell:
        return shell(self.fleet, directory, PROSCRIBE_ANSIBLE_PLAYBOOK="/usr/bin/ansible-playbook")

    def real(self, text: str) -> str:
        """A command of a document as it is typed on the controller."""
        host = next((host for pattern, host in ON_HOSTS.items() if fnmatchcase(text, pattern)), "")
        for said, meant in self._values.items():
            text = text.replace(said, meant)
        return f"ssh {host} {shlex.quote(text)}" if host else text

    def _file(self, name: str, content: str) -> None:
        self.fleet.controller.write(f"{CHECKOUT}/inventory/prod/{name}", content)

    def _waiver(self, host: str, service: str, approver: str, id_: str = "") -> None:
        text = WAIVER.format(host=host, service=service, approver=approver)
        id_ = id_ or f"{host}-{service}"
        self._file(f"waivers/{id_}.yml", text.replace(f"id: {host}-{service}", f"id: {id_}"))
