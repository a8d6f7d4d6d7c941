"""unbound as a filter, beyond test_dns_contract.py."""

import pytest
from dns_contract import OPENED, UPSTREAM, Made, Packaged, Sample
from file_hosts import make_host
from proscribe.host.controls.dns.backends import unbound
from proscribe.host.controls.dns.resolver_observation import DnsObservation

MAIN = """\
server:
  interface: {address}
  do-not-query-localhost: no
  module-config: "iterator"
  chroot: ""
  username: ""
  use-syslog: no
  pidfile: ""
forward-zone:
  name: "."
  forward-addr: {upstream}
include-toplevel: "/etc/unbound/unbound.conf.d/*.conf"
"""
SAMPLE = Sample(
    files={
        "etc/unbound/unbound.conf": 'include-toplevel: "/etc/unbound/unbound.conf.d/*.conf"\n',
        "etc/unbound/unbound.conf.d/own.conf": (
            f'forward-zone:\n  name: "."\n  forward-addr: {UPSTREAM}@853#dns.example\n'
            f'server:\n  local-zone: "{OPENED}" transparent\n'
        ),
    },
    refusal=f"[177:0] info: wechat.com. always_nxdomain 127.0.0.1@39478 {OPENED}. A IN",
    tools=("unbound-checkconf",),
    made=Made(
        program="unbound",
        arguments=("-d", "-c", "{main}"),
        files={"etc/unbound/unbound.conf": MAIN, "etc/unbound/unbound.conf.d/own.conf": "# the organisation's own\n"},
        opening=(
            "etc/unbound/unbound.conf.d/zz-own.conf",
            'server:\n  local-zone: "web.wechat.com." transparent\n  local-zone: "x.wechat.com." refuse\n',
        ),
    ),
    packaged=Packaged(
        files={
            "etc/unbound/unbound.conf.d/own.conf": (
                'server:\n  module-config: "iterator"\nforward-zone:\n  name: "."\n  forward-addr: {upstream}\n'
            )
        },
        user="unbound",
        refused="wechat.com. always_nxdomain 127.0.0.1",
    ),
)
RUNS = DnsObservation(("127.0.0.1",), (), "", {unbound.UNBOUND_UNIT: 77})
CONF = "etc/unbound/unbound.conf"
FOLDERS = ("/etc/unbound/unbound.conf.d", "/etc/unbound/conf.d", "/etc/unbound/local.d")


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ('include: "/a/*.conf"', "/a"),
        ("  include-toplevel:/a/*", "/a"),
        ('include: "/a/*.conf" # why', ""),
        ('include: "/a/own.conf"', ""),
        ('include-nothing: "/a/*.conf"', ""),
    ],
)
def test_unbound_folder_is_found_in_its_configuration(tmp_path, line, folder):
    made = make_host(tmp_path, {CONF: f"server:\n{line}\n{line}\n"})
    assert bool(unbound.find_obstacle(made, RUNS)) is not bool(folder)
    stages = [list(stage.files) for stage in unbound.list_possible_stages(made, RUNS)]
    assert stages == [[f"{item}/proscribe.conf"] for item in (*filter(None, [folder]), *FOLDERS)]


def test_unbound_is_described_with_files_and_openers(tmp_path):
    main = 'include: "/b/*.conf"\ninclude: "/a/*.conf"\nlocal-data: "x.org A 1.2.3.4"\n'
    made = make_host(tmp_path, {CONF: main, "a/own.conf": 'name: "Y.org."\n', "a/proscribe.conf": "name: z.org\n"})
    found = unbound.describe_filter(made, RUNS, {})
    (stage,) = found.make_stages("text")
    assert (found.manager, found.file_path) == ("unbound", "/b/proscribe.conf")
    assert (found.log_unit, found.units) == ("unbound.service", ("unbound.service",))
    assert (found.make_check_command("/x"), stage.files) == (("unbound-checkconf", "/x"), {"/b/proscribe.conf": "text"})
    assert found.opening_lines == [
        ("/etc/unbound/unbound.conf", 'local-data: "x.org A 1.2.3.4"', "x.org"),
        ("/a/own.conf", 'name: "Y.org."', "y.org"),
    ]
    assert unbound.find_obstacle(made, RUNS._replace(pids_by_unit={}))
