"""What may be done against the ban: the rows of tampering.toml."""

import tomllib
from pathlib import Path
from typing import NamedTuple

USER = "alice"
CHROMIUM = "/etc/chromium/policies/managed/proscribe.json"
GATE = "/etc/dpkg/dpkg.cfg.d/proscribe"


class Tampering(NamedTuple):
    how: str
    by: str
    then: str
    done: str = ""
    rule: str = ""
    named: str = ""
    right: str = ""
    undone: str = ""
    ten: bool = False
    watch: bool = False


TABLE = {
    row["how"]: Tampering(**row)
    for row in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))["row"]
}
# All of them can be done one after the other: the install block goes before a package can come.
TEN = {how: tampering for how, tampering in TABLE.items() if tampering.ten}


def named(record, tampering):
    """Whether a host's record reports this tampering as corrected."""
    return any(
        rule["state"] == "repaired"
        and rule["rule"].startswith(tampering.rule)
        and any(tampering.named in str(finding.values()) for finding in rule["findings"])
        for rule in record["rules"]
    )
