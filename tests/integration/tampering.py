"""Ways to undo the ban with root: what is done, what the record has to name, how it is seen to be right again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

CHROMIUM = "/etc/chromium/policies/managed/proscribe.json"
CHROME = "/etc/opt/chrome/policies/managed"
FIREFOX = "/etc/firefox/policies/policies.json"
GATE = "/etc/dpkg/dpkg.cfg.d/proscribe"
UNIT = "/etc/systemd/system/proscribe-firewall.service"

# A later file by which ours would say nothing any more: a copy of it with its lists emptied.
SHADOW = f"""\
python3 - <<'END'
import json
with open("{CHROME}/proscribe.json") as stream:
    policy = json.load(stream)
emptied = {{name: [] if isinstance(value, list) else value for name, value in policy.items()}}
with open("{CHROME}/zz.json", "w") as stream:
    json.dump(emptied, stream)
END
"""
ELEMENT = """\
element=$(nft list set inet proscribe nets4_whatsapp | sed -n 's/.*elements = { *\\([^ ,]*\\).*/\\1/p')
test -n "$element"
nft delete element inet proscribe nets4_whatsapp "{ $element }"
"""


class Tampering(NamedTuple):
    """One way. `rule` begins the rule, and `named` stands in the evidence of it, once it was put right."""

    done: str
    rule: str
    named: str
    right: str  # ends well where nothing of it is left


# In an order in which all can be done one after the other: the gate goes before a package can come.
TEN: Mapping[str, Tampering] = {
    "the gate is removed": Tampering(f"rm {GATE}", "apps/reinstall-gate", GATE, f"test -s {GATE}"),
    "a package is installed": Tampering(
        f"rm -f {GATE}; dpkg -i /root/wechat.deb", "apps/wechat", "wechat", "! test -e /opt/wechat/wechat"
    ),
    "a portable copy is brought": Tampering(
        "install -D /bin/sleep /opt/Discord/Discord", "apps/discord", "/opt/Discord", "! test -e /opt/Discord"
    ),
    "a policy file is removed": Tampering(f"rm {CHROMIUM}", "browser/", CHROMIUM, f"grep -q wechat {CHROMIUM}"),
    "a policy file is edited": Tampering(
        f"echo '{{}}' >{FIREFOX}", "browser/", FIREFOX, f"grep -q WebsiteFilter {FIREFOX}"
    ),
    "a policy is shadowed": Tampering(
        SHADOW, "browser/policy-file", "zz.json beside it is a copy of it", f"! test -e {CHROME}/zz.json"
    ),
    "one element is deleted": Tampering(
        ELEMENT,
        "firewall/whatsapp",
        "nets4_whatsapp",
        "nft get element inet proscribe nets4_whatsapp '{ 31.13.64.60 }' >/dev/null",
    ),
    "the table is flushed": Tampering(
        "nft flush table inet proscribe",
        "firewall/telegram",
        "missing in chain refuse_telegram",
        "nft list chain inet proscribe refuse_telegram | grep -q reject",
    ),
    "the filter is stopped": Tampering(
        "systemctl stop dnsmasq", "dns/", "does not answer", "systemctl is-active --quiet dnsmasq"
    ),
    "a unit is masked": Tampering(
        f"ln -sf /dev/null {UNIT}", "firewall/boot", UNIT, f"test -s {UNIT} && ! test -L {UNIT}"
    ),
}


def named(record: Mapping[str, Any], tampering: Tampering) -> bool:
    """Whether a host's record says that this was put right."""
    return any(
        rule["state"] == "repaired"
        and rule["rule"].startswith(tampering.rule)
        and any(tampering.named in str(finding.values()) for finding in rule["findings"])
        for rule in record["rules"]
    )
