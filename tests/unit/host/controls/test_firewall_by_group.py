"""What the firewall refuses to the members of some groups only: the table, who is in it, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.firewall.exemptions import collect
from proscribe.host.controls.firewall.ruleset import render
from proscribe.host.system import Host

from unit.host.controls.firewall.test_ruleset import elements, names, section

PASSWD = "root:x:0:0::/root:/bin/sh\nalice:x:1004:1004::/home/alice:/bin/sh\nbob:x:1002:1002::/home/bob:/bin/sh\n"
DOUBT = "nobody is known for whom the group contractors restricts this: this host has no such group"


def only(*users: str, doubt: str = "", **more: Any) -> dict[str, Any]:
    known = {"users": list(users), **({"unresolved": doubt} if doubt else {})}
    return {"networks": ["203.0.113.7", "198.51.100.0/24"], "only": known, **more}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    return Host(str(tmp_path))


def text_of(host: Host, plan: dict[str, Any], boot_file: str = "") -> str:
    return render(plan, collect(host, plan, boot_file))


@pytest.mark.parametrize(
    ("body", "numbers"), [("1 } ; add rule x", {"1"}), ("1,,2", {"1", "2"}), ("root", set()), ("", set()), (",", set())]
)
def test_nothing_but_numbers_comes_back_from_the_boot_file(host: Host, body: str, numbers: set[str]) -> None:
    plan = section(telegram=only(doubt=DOUBT), signal=["203.0.113.8"])
    text = text_of(host, plan, f"\tset only_telegram {{\n\t\ttype uid\n\t\telements = {{ {body} }}\n\t}}\n")
    assert (elements(text, "only_telegram") if numbers else names(text, "set") & {"only_telegram"}) == numbers
    assert "add rule" not in text
