"""unbound as a filter: what only it has. The rest is in test_dns_contract.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from proscribe.host.controls.dns.backends import unbound
from proscribe.host.controls.dns.observed import Observed
from proscribe.host.system import Host

RUNS = Observed(("127.0.0.1",), (), "", {unbound.UNIT: 77})


def host(root: Path, main: str) -> Host:
    (root / "etc/unbound").mkdir(parents=True)
    (root / "etc/unbound/unbound.conf").write_text(main)
    return Host(str(root))


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ('include: "/a/*.conf"', "/a"),
        ("  include-toplevel:/a/*", "/a"),
        ('# include: "/a/*.conf"', ""),
        ('include: "/a/*.conf" # why', ""),
        ('include: "/a#/*.conf"', ""),
        ('include: "/a/own.conf"', ""),
        ('include: "*.conf"', ""),
        ('include-nothing: "/a/*.conf"', ""),
    ],
)
def test_where_it_reads_a_folder_of_files(tmp_path: Path, line: str, folder: str) -> None:
    made = host(tmp_path, f"server:\n{line}\n{line}\n")
    assert bool(unbound.missing(made, RUNS)) is not bool(folder)
    stages = [list(stage.files) for stage in unbound.standing(made, RUNS)]
    assert stages == [[f"{one}/proscribe.conf"] for one in (*filter(None, [folder]), *unbound.FOLDERS)]


def test_what_is_said_of_it(tmp_path: Path) -> None:
    made = host(tmp_path, 'include: "/b/*.conf"\ninclude: "/a/*.conf"\nlocal-data: "x.org A 1.2.3.4"\n')
    (tmp_path / "a").mkdir()
    (tmp_path / "a/own.conf").write_text('name: "Y.org."\n')
    (tmp_path / "a/proscribe.conf").write_text("name: z.org\n")
    found = unbound.describe(made, RUNS, {})
    (stage,) = found.stages("text")
    assert (found.manager, found.file) == ("unbound", "/b/proscribe.conf")
    assert (found.logs, found.units) == ("unbound.service", ("unbound.service",))
    assert (found.checking("/x"), stage.files) == (("unbound-checkconf", "/x"), {"/b/proscribe.conf": "text"})
    assert found.openers == [
        ("/etc/unbound/unbound.conf", 'local-data: "x.org A 1.2.3.4"', "x.org"),
        ("/a/own.conf", 'name: "Y.org."', "y.org"),
    ]
    assert unbound.missing(made, RUNS._replace(units={}))


def test_what_it_answers_for_the_witness() -> None:
    text = """  local-data: 'w.internal. 0 IN TXT "abc"'"""
    assert unbound.LANGUAGE.witness("w.internal", "abc", "") == [text]
    assert unbound.LANGUAGE.witness("w.internal", "abc", "127.0.0.9") == [
        text,
        "  local-data: 'w.internal. 0 IN A 127.0.0.9'",
    ]
