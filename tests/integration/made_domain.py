"""A Samba domain for a test: a controller of it, and a Debian desktop that has joined it, both whole hosts."""

import contextlib
import json

from machines import PROJECT, Machine, booted, run_ansible
from patience import until

REALM, DOMAIN, DN = "EXAMPLE.TEST", "EXAMPLE", "DC=example,DC=test"
OU = f"OU=Desktops,{DN}"
PASSWORD = "Passw0rd-made"
ADMINISTRATOR = f"-UAdministrator%{PASSWORD}"
SYSVOL = "/var/lib/samba/sysvol"
DATABASE = "/var/lib/samba/private/sam.ldb"

PROVISION = f"""\
set -eu
rm -f /etc/samba/smb.conf
samba-tool domain provision --realm={REALM} --domain={DOMAIN} --server-role=dc --dns-backend=SAMBA_INTERNAL \\
    --adminpass='{PASSWORD}' --host-ip=$1 >&2
cp /var/lib/samba/private/krb5.conf /etc/krb5.conf
printf 'search example.test\\nnameserver %s\\n' "$1" >/etc/resolv.conf
printf '%s dc1.example.test dc1\\n' "$1" >>/etc/hosts
net cache flush  # of what the services knew before there was a domain
systemctl unmask --quiet samba-ad-dc
systemctl enable --quiet --now samba-ad-dc
"""

JOIN = f"""\
set -eu
printf 'search example.test\\nnameserver %s\\n' "$1" >/etc/resolv.conf
cat >/etc/samba/smb.conf <<END
[global]
workgroup = {DOMAIN}
realm = {REALM}
security = ADS
kerberos method = secrets and keytab
dedicated keytab file = /etc/krb5.keytab
idmap config * : backend = tdb
idmap config * : range = 3000-7999
idmap config {DOMAIN} : backend = rid
idmap config {DOMAIN} : range = 10000-999999
END
printf '[libdefaults]\\ndefault_realm = {REALM}\\ndns_lookup_kdc = true\\ndns_lookup_realm = false\\n' >/etc/krb5.conf
net cache flush
until net ads info >/dev/null 2>&1; do sleep 1; done  # the controller's directory answers later than its shares
net ads join {ADMINISTRATOR} --no-dns-updates createcomputer=Desktops
net cache flush
systemctl start winbind
"""


class Controller(Machine):
    """A domain controller, as Ansible and as its administrators have it."""

    audiences = {}  # further groups of machines, and their variables

    def proscribe(self, playbook, reports, **variables):
        """Run a playbook on it, from an inventory that also has the audience: one machine of each group."""
        off = dict.fromkeys(("apps", "browser", "firewall", "dns"), "off")
        own = {**self.connection, "proscribe_controls": off, **variables}
        desktops = {"hosts": {"pc1": {}}}  # stands for them: no run connects to it
        others = {name: {"hosts": {f"pc-{name}": {}}, "vars": dict(more)} for name, more in self.audiences.items()}
        left_out = "".join(f":!{name}" for name in ("windows_desktops", *others))
        driven = {"remote_debugging": "unmanaged"}  # tests control the browsers of desktops
        common = {"vars": {"proscribe_hosts": f"all{left_out}", "proscribe_browser_settings": driven}}
        groups = {"windows_desktops": desktops, **others, "all": common, "controllers": {"hosts": {"dc1": own}}}
        inventory = self.directory / "inventory.yml"
        inventory.write_text(json.dumps(groups))
        return run_ansible(playbook, inventory, reports)

    def samba(self, *words):
        return self.run("samba-tool", *words, ADMINISTRATOR)

    def ldif(self, text):
        """Change the directory as somebody with the rights for it does."""
        self.run("ldbmodify", "-H", DATABASE, stdin=text)


@contextlib.contextmanager
def domain():
    with booted("domain", 2, "trixie-domain") as (first, desktop):
        controller = Controller(first.name, first.address, first.directory)
        for host, called in ((controller, "dc1"), (desktop, "desk1")):
            host.run("hostname", called)
        controller.run("sh", "-s", controller.address, stdin=PROVISION)
        until(lambda: "sysvol" in controller.run("smbclient", "-L", "localhost", ADMINISTRATOR, check=False))
        until(lambda: controller.run("wbinfo", "-p", check=False) != "")
        # What a new controller writes of itself into the directory, some seconds later.
        until(lambda: "GC/dc1" in controller.run("ldbsearch", "-H", DATABASE, "(cn=DC1)", "servicePrincipalName"))
        controller.run("samba-tool", "ou", "create", OU)
        desktop.run("sh", "-s", controller.address, stdin=JOIN)
        desktop.run("mkdir", "-p", "/opt/probe")
        for file in ("browser_probe.py", "chromium.py", "listener.py", "marionette.py"):
            desktop.run("sh", "-c", f"cat >/opt/probe/{file}", stdin=(PROJECT / "tests/integration" / file).read_text())
        yield controller, desktop


def refreshed(desktop):
    """Have a desktop take its Group Policy; Chromium's policies there afterwards."""
    desktop.run("samba-gpupdate", "--force")
    text = desktop.run("sh", "-c", "cat /etc/chromium/policies/managed/*.json 2>/dev/null || echo '{}'")
    return json.loads(text)


def visits(desktop, urls):
    """How many connections each address leads to in the desktop's Chromium, and what the browser says of it."""
    words = ("--said", "--browser", "chromium", "--listen", "127.0.0.1", *urls)
    return json.loads(desktop.run("python3", "-B", "/opt/probe/browser_probe.py", *words))
