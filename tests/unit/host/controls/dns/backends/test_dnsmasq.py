"""dnsmasq as a filter, beyond test_dns_contract.py."""

import pytest
from dns_contract import OPENED, UPSTREAM, Made, Packaged, Sample
from file_hosts import make_host
from proscribe.host.controls.dns.backends import dnsmasq
from proscribe.host.controls.dns.resolver_observation import DnsObservation

MAIN = """\
listen-address={address}
bind-interfaces
no-resolv
no-hosts
server={upstream}
conf-dir=/etc/dnsmasq.d/,*.conf
"""
SAMPLE = Sample(
    files={
        "etc/dnsmasq.conf": "conf-dir=/etc/dnsmasq.d/,*.conf\n",
        "etc/dnsmasq.d/own.conf": f"no-resolv\nserver={UPSTREAM}\nserver=/{OPENED}/10.0.0.1\n",
    },
    refusal=f"dnsmasq[301]: config {OPENED} is NXDOMAIN",
    tools=("dnsmasq",),
    made=Made(
        program="dnsmasq",
        arguments=("--keep-in-foreground", "--pid-file", "--log-facility=-", "--conf-file={main}"),
        files={"etc/dnsmasq.conf": MAIN, "etc/dnsmasq.d/own.conf": "# the organisation's own\n"},
        opening=(
            "etc/dnsmasq.d/zz-own.conf",
            "server=/web.wechat.com/10.0.0.1\nserver=/open.work.wechat.com/10.0.0.1\naddress=/wechat.com/\n",
        ),
    ),
    packaged=Packaged(
        files={"etc/dnsmasq.d/own.conf": "no-resolv\nserver={upstream}\n"},
        user="dnsmasq",
        logging=("etc/dnsmasq.d/log.conf", "log-queries\n"),
    ),
)
RUNS = DnsObservation(("127.0.0.1",), (), "", {dnsmasq.DNSMASQ_UNIT: 77})
STOPPED = RUNS._replace(pids_by_unit={dnsmasq.DNSMASQ_UNIT: 0})


@pytest.mark.parametrize(
    ("command", "main", "folders"),
    [
        ("dnsmasq", "conf-dir=/a\n conf-dir = /b/ # why\n# conf-dir=/c\nno-conf-dir=/d\nconf-dir=/a\n", ["/a", "/b"]),
        ("dnsmasq --conf-dir=/a,*.conf --other=/b", "", ["/a"]),
        ("dnsmasq -7 /a,.bak --conf-dir /b", "", ["/a", "/b"]),
        ("dnsmasq -7/a", "conf-dir=/b", ["/a", "/b"]),
        ("dnsmasq", "", []),
    ],
)
def test_dnsmasq_folders_are_found(tmp_path, command, main, folders):
    made = make_host(tmp_path, {"proc/77/cmdline": command.replace(" ", "\0"), "etc/dnsmasq.conf": main})
    stages = [list(stage.files) for stage in dnsmasq.list_possible_stages(made, RUNS)]
    assert stages == [[f"{folder}/proscribe.conf"] for folder in (*folders, "/etc/dnsmasq.d")]
    assert bool(dnsmasq.find_obstacle(made, RUNS)) is not bool(folders)
    assert dnsmasq.find_obstacle(made, RUNS._replace(pids_by_unit={})).startswith("dnsmasq.service does not run")


def test_stopped_dnsmasq_reads_the_usual_folder(tmp_path):
    assert dnsmasq.find_obstacle(make_host(tmp_path), STOPPED).startswith("dnsmasq reads no folder of drop-ins")
    made = make_host(tmp_path, {"etc/dnsmasq.d/README": ""})
    assert dnsmasq.find_obstacle(made, STOPPED) == ""
    assert dnsmasq.find_obstacle(made, RUNS).startswith("dnsmasq reads no folder of drop-ins")


@pytest.mark.parametrize("logs", [False, True])
def test_dnsmasq_is_described_with_files_and_openers(tmp_path, logs):
    own = "server=/a.org/10.0.0.1\n" + "log-queries\n" * logs
    main = {"etc/dnsmasq.conf": "conf-dir=/etc/b\nconf-dir=/etc/a\n", "proc/77/cmdline": "dnsmasq\0-S\0/b.org/10.0.0.1"}
    made = make_host(
        tmp_path, {**main, "etc/a/own.conf": own, "etc/b/proscribe.conf": "log-queries\nserver=/c.org/10.0.0.1\n"}
    )
    found = dnsmasq.describe_filter(made, RUNS, {})
    (stage,) = found.make_stages("text")
    assert (found.manager, found.file_path) == ("dnsmasq", "/etc/b/proscribe.conf")
    assert stage.files == {"/etc/b/proscribe.conf": "text"}
    assert (found.units, found.log_unit) == (("dnsmasq.service",), "dnsmasq.service" if logs else "")
    assert found.make_check_command("/x") == ("dnsmasq", "--test", "-C", "/x")
    assert found.opening_lines == [
        ("its command line", "server=/b.org/10.0.0.1", "b.org"),
        ("/etc/a/own.conf", "server=/a.org/10.0.0.1", "a.org"),
    ]


@pytest.mark.parametrize(
    ("word", "names"),
    [
        *(("-C/x", ["c.org"]), ("-7/d", ["d.org"]), ("-H/hosts", ["h.org"]), ("--hostsdir=/hosts", ["h.org"])),
        *(("--servers-file=/x", ["c.org"]), ("-Z/x", [])),
    ],
)
def test_dnsmasq_command_line_opens_names(tmp_path, word, names):
    files = {"x": "server=/c.org/10.0.0.1", "d/x": "server=/d.org/10.0.0.1"}
    made = make_host(tmp_path, {**files, "hosts": "10.0.0.1 H.org # why\n:: i.org\n0.0.0.0 j.org\n"})
    assert [name for _, _, name in dnsmasq.find_opening_lines(made, [], ["dnsmasq", word])] == names


def test_dnsmasq_files_are_read_once_without_ours(tmp_path):
    again = "conf-file=/b.conf # why\nconf-dir=/d/,*.conf\nconf-file=/a.conf\nconf-file=d/x\nport=/d/x\nconf-file\n"
    files = {"a.conf": f"server=/a.org/10.0.0.1\n{again}{again}", "b.conf": "server=/b.org/10.0.0.1"}
    ours = {"d/proscribe.conf": "server=/c.org/10.0.0.1", "d/x": "server=/d.org/10.0.0.1"}
    assert dnsmasq.find_opening_lines(make_host(tmp_path, {**files, **ours}), ["/a.conf"], []) == [
        ("/a.conf", "server=/a.org/10.0.0.1", "a.org"),
        ("/b.conf", "server=/b.org/10.0.0.1", "b.org"),
        ("/d/x", "server=/d.org/10.0.0.1", "d.org"),
    ]
