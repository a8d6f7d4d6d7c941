"""Whatever there are several of is added with one file.

`tests/tool python tests/derived` finds it, and everything knows it then.

A fictitious one of each is added to a copy of the checkout.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
from checkouts import FOR_DERIVED, copied, derived, run
from file_hosts import make_directories, write_files

pytestmark = pytest.mark.slow

ADDED = Path(__file__).parents[2] / "helpers/added"
PARTS = (*FOR_DERIVED, "tests/unit/helpers/fleets.py")
SYSTEMS = "module_utils/proscribe/host/controls/apps/systems"
BACKENDS = "module_utils/proscribe/host/controls/dns/backends"
FORMATS = "module_utils/proscribe/controller/enforcement_points/formats"
MEANT_FOR = "whatever takes a list of names: firewalls, DNS services, mail gateways"
COURIER = """\
id: courier
name: Courier
category: instant_messaging
vendor: its test
audience: consumer
enforce: true
packages:
  acme_store: [telegram]
sources:
  - its test, 2026-11-25
"""


@pytest.fixture(scope="module")
def checkout(project, tmp_path_factory):
    """A copy with one of each more, whose derived files are written."""
    checkout = copied(project, tmp_path_factory.mktemp("checkout"), PARTS)
    shutil.copy(ADDED / "acme.py", checkout / SYSTEMS)
    like(checkout / BACKENDS / "unbound.py", "knot", ('"unbound"', '"knot"'), ("unbound.service", "kresd.service"))
    like(checkout / FORMATS / "domains.py", "carrier", ('"domains"', '"carrier"'), (MEANT_FOR, "pigeons"))
    like(checkout / "playbooks/tasks/notify/mail.yml", "pager", ("proscribe_notify.mail", "proscribe_notify.pager"))
    written = derived(checkout)
    for path in (f"{SYSTEMS}/package_systems.py", f"{BACKENDS}/filter_backends.py", "docs/enforcement_points.md"):
        assert path in written
    return checkout


def like(path, name, *changes):
    """Add a file that is like another one but for some of its words."""
    text = path.read_text()
    for word, other in changes:
        assert word in text
        text = text.replace(word, other)
    path.with_stem(name).write_text(text)


def test_a_package_system(checkout, tmp_path):
    assert "| acme: packages of the Acme store |" in (checkout / "docs/coverage_data.md").read_text()
    root = tmp_path / "root"
    make_directories(tmp_path, "root/opt/acme/telegram", "root/opt/acme/another", "exports")
    courier = "catalog/instant_messaging/courier.yml"
    write_files(tmp_path, {"root/etc/passwd": "root:x:0:0::/root:/bin/sh\n", courier: COURIER})
    shutil.copy(checkout / "catalog/browsers.yml", tmp_path / "catalog")
    arguments = (ADDED / "acme_seen.py", root, tmp_path / "exports", tmp_path / "catalog")
    seen = json.loads(run(checkout, *map(str, arguments)))
    assert "an Acme name: 2 to 20 lower case letters" in seen["mistake"]
    assert seen["plan"] == {"acme_store": ["telegram"]}
    (rule,) = [rule for rule in seen["record"] if rule["rule"] == "apps/courier"]
    (finding,) = rule["findings"]
    assert (finding["manager"], finding["id"], finding["path"]) == ("acme", "telegram", "/opt/acme/telegram")
    assert seen["package systems"] == ["acme"]
    command = ["write /etc/proscribe/requests.json", "write /usr/local/bin/proscribe-request"]
    assert seen["actions"] == ["remove telegram", *command]
    assert [name for name, text in seen["exports"].items() if "apps/courier" not in text] == []


def test_a_filter_of_names(checkout):
    page = (checkout / "docs/restrictions.md").read_text()
    (row,) = re.findall(r"^\| `proscribe_dns_backend` .*", page, re.MULTILINE)
    assert "knot" in row
    script = """
import sys
sys.path.insert(0, "module_utils")
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls.dns.backends.filter_backends import FILTER_BACKENDS, load_backend
chosen = read_restrictions({"proscribe_dns_backend": "knot"}, str).dns_backend
print(chosen, FILTER_BACKENDS["knot"][:2], load_backend("knot").UNBOUND_UNIT)
"""
    assert run(checkout, "-c", script) == "knot ('server', 'kresd.service') kresd.service\n"


def test_a_channel_of_notifications(checkout):
    script = """
import sys
sys.path.insert(0, "module_utils")
from proscribe.controller.compile.restrictions.channels import is_setgid_needed
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.policy_errors import PolicyErrors
read = read_restrictions({"proscribe_notify": {"pager": "ops@example.org"}}, str).notify
print(dict(read), is_setgid_needed(read))
try:
    read_restrictions({"proscribe_notify": {"pagr": "ops@example.org"}}, str)
except PolicyErrors as errors:
    print("did you mean 'pager'" in str(errors))
"""
    assert run(checkout, "-c", script) == "{'pager': 'ops@example.org'} True\nTrue\n"
    assert "by channel: mail, pager or webhook;" in (checkout / "docs/restrictions.md").read_text()
    assert "| `pager` | one mail address |" in (checkout / "docs/scheduling.md").read_text()


def test_a_format_for_enforcement_points(checkout, tmp_path):
    assert "| `carrier` | pigeons | dns |" in (checkout / "docs/enforcement_points.md").read_text()
    script = """
import sys
sys.path.insert(0, "module_utils")
from proscribe.controller.cli.command_line import parse_command
from proscribe.controller.compile.restrictions import read_restrictions
print(read_restrictions({"proscribe_exports_fed": ["carrier"]}, str).exports_fed[0].format)
run, arguments = parse_command("export", ["carrier", "-o", sys.argv[1]])
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
print(arguments.format, EXPORT_FORMATS["carrier"].purpose)
"""
    assert run(checkout, "-c", script, str(tmp_path)) == "carrier\ncarrier pigeons\n"
