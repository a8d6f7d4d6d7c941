"""All that is said of the hosts file, and all that is done to it and to the order of nsswitch.conf, as it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls import dns
from proscribe.host.controls.base import Refusal
from proscribe.host.controls.dns import block, hosts_file
from proscribe.host.system import WRITTEN_BY, Host
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, Finding, Verdict

from unit.host.controls.test_dns_file import NAMES, OWN, WECHAT, plan

HOSTS, ORDER = "/etc/hosts", "/etc/nsswitch.conf"
BLOCK = block.render(NAMES, made=False)
RULE = "dns/hosts-file"
DNS_FIRST = b"hosts: dns files\npasswd: files\n"
FILES_FIRST = f"# BEGIN proscribe\n# {WRITTEN_BY}\nhosts: files dns\n# END proscribe\n#proscribe# ".encode() + DNS_FIRST
BEFORE = f"{ORDER} has `dns` before `files` in its line `hosts`"
CLOSED = "users' programs cannot read it"
MOUNTED = "it is a mount point of its own, as in some containers: what starts the container has to"


def host(root: Path, hosts: bytes = OWN, order: bytes | None = None, mode: int = 0o644, mounts: str = "") -> Host:
    for folder in ("etc", "var/lib", "proc/self"):
        (root / folder).mkdir(parents=True)
    (root / "etc/hosts").write_bytes(hosts)
    (root / "etc/hosts").chmod(mode)
    if order is not None:
        (root / "etc/nsswitch.conf").write_bytes(order)
    (root / "proc/self/mountinfo").write_text(mounts)
    return Host(str(root))


def line(id_: str, detail: str) -> Finding:
    return Finding("hosts_line", id_, manager="hosts", path=HOSTS, detail=detail)


def against(rule: str, *findings: Finding) -> Verdict:
    return Verdict(rule, NONCOMPLIANT, findings, drifted=True)


BLOCKED = Verdict("dns/wechat", COMPLIANT)
OPEN = "not blocked, and 1 more of 2 names"
MISSING = line("block", "missing")


@pytest.mark.parametrize(
    ("made", "verdicts", "written"),
    [
        ({}, [against("dns/wechat", line("wechat.com", OPEN)), against(RULE, MISSING)], {HOSTS: BLOCK + OWN}),
        ({"hosts": BLOCK + OWN}, [BLOCKED, Verdict(RULE, COMPLIANT)], {}),
        *(
            (
                {"hosts": block.render({*NAMES, *more}, made=False) + OWN},
                [BLOCKED, against(RULE, line("block", f"blocks names not of the plan: {said}"))],
                {HOSTS: BLOCK + OWN},
            )
            for more, said in (("cba", "a, b, c"), ("dcba", "a, b, c, ..."))
        ),
        (
            {"hosts": BLOCK + OWN, "mode": 0o640},
            [
                against("dns/wechat", line("wechat.com", f"{OPEN}: {CLOSED}")),
                against(RULE, line("effect", CLOSED)),
            ],
            {HOSTS: BLOCK + OWN},
        ),
        (
            {"order": DNS_FIRST},
            [
                against("dns/wechat", line("wechat.com", f"{OPEN}: {BEFORE}")),
                against(RULE, MISSING, line("effect", BEFORE)),
            ],
            {HOSTS: BLOCK + OWN, ORDER: FILES_FIRST},
        ),
        (
            {"hosts": BLOCK + OWN, "order": DNS_FIRST},
            [against("dns/wechat", line("wechat.com", f"{OPEN}: {BEFORE}")), against(RULE, line("effect", BEFORE))],
            {ORDER: FILES_FIRST},
        ),
    ],
)
def test_what_is_seen_and_written(
    tmp_path: Path, made: dict[str, Any], verdicts: list[Verdict], written: dict[str, bytes]
) -> None:
    there = host(tmp_path, **made)
    assert hosts_file.observe(there, WECHAT) == (verdicts, NAMES)
    changes = dns.enforce(there, WECHAT)
    assert changes.refused == []
    assert [(str(action), action.before, action.after) for action in changes.actions] == [
        (f"write {path}", there.text(path), content.decode()) for path, content in written.items()
    ]
    for action in changes.actions:
        action.apply()
    assert {path: there.read(path) for path in written} == written
    assert (tmp_path / "etc/hosts").stat().st_mode & 0o777 == 0o644


def test_a_name_that_stays_open_is_said_with_its_reason(tmp_path: Path) -> None:
    there = host(tmp_path, OWN + b"192.0.2.4 wechat.com\n")
    reason = "a line of the host's own says 192.0.2.4"
    found = [line("web.wechat.com", "not blocked"), line("wechat.com", f"not blocked: {reason}")]
    assert hosts_file.observe(there, WECHAT)[0] == [against("dns/wechat", *found), against(RULE, MISSING)]
    assert dns.enforce(there, WECHAT).refused == [Refusal("dns/wechat", "wechat.com", reason)]


def test_without_a_name_to_block_what_is_left_over_counts_alone(tmp_path: Path) -> None:
    there, other = host(tmp_path), Finding("file", "/x")
    nothing = Verdict(RULE, NOT_APPLICABLE, reason="no name is to be blocked")
    assert hosts_file.observe(there, plan()) == ([nothing], set())
    assert hosts_file.observe(there, plan(), [other]) == ([against(RULE, other)], set())


def test_what_is_mounted_there_is_left_to_who_mounts_it(tmp_path: Path) -> None:
    mounts = "".join(f"36 35 98:0 /x {path} rw - ext4 /dev/sda rw\n36 35\n" for path in (HOSTS, ORDER, "/other"))
    changes = dns.enforce(host(tmp_path, order=DNS_FIRST, mounts=mounts), WECHAT)
    assert (list(changes.actions), changes.refused) == (
        [],
        [
            Refusal(RULE, HOSTS, f"{MOUNTED} block the names"),
            Refusal(RULE, ORDER, f"{MOUNTED} have `files` first in the line `hosts`"),
        ],
    )


def test_all_of_it_is_taken_back(tmp_path: Path) -> None:
    there = host(tmp_path, BLOCK + OWN, FILES_FIRST)
    section = WECHAT["controls"]["dns"]
    left = line("block", "why")
    assert hosts_file.left_over(there, section, "why") == [left, left._replace(path=ORDER)]
    changes = dns.lift(there, WECHAT)
    assert [(str(action), action.before, action.after) for action in changes.actions] == [
        (f"write {HOSTS}", (BLOCK + OWN).decode(), OWN.decode()),
        (f"write {ORDER}", FILES_FIRST.decode(), DNS_FIRST.decode()),
    ]
    for action in changes.actions:
        action.apply()
    assert (hosts_file.left_over(there, section, "why"), hosts_file.foreign(there, section)) == ([], OWN)
