"""Lists of domains for Cloudflare Gateway, in CSV, and the DNS policies that use them, for Terraform.

The selector `dns.domains` has a name and all names above it, so an entry stands for all below it. The first policy that
matches decides. Lists are split, since the smallest plan takes 1,000 entries of each. Terraform puts in the ids of the
lists, which Cloudflare gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..declaration import Decision, Device, Format, Limit, Rendered
from ..header import about, json_file, text
from ..two_lists import blocks, two_lists

OF_LIST = 1_000
LIMIT = Limit(100_000, "names", "100 lists of 1,000 entries, on Standard plans")
# The lowest precedence is evaluated first. An organisation's own policies begin at 1,000 unless it says otherwise.
PRECEDENCE = {"allow": 800, "block": 900}
ACCOUNT = "cloudflare_account_id"


def render(decision: Decision) -> Rendered:
    """A file for each list, and what Terraform makes of them."""
    names = two_lists(decision)
    LIMIT.check(len(names.blocked) + len(names.allowed))
    lists = {"blocked": _split(names.blocked), "allowed": _split(names.allowed)}
    files = {
        f"{kind}_{number}.csv": text(["value", *those])
        for kind, split in lists.items()
        for number, those in enumerate(split, 1)
    }
    document = {
        "variable": {ACCOUNT: {"type": "string"}},
        "resource": {
            "cloudflare_zero_trust_list": {f"proscribe_{name[:-4]}": _list(name) for name in sorted(files)},
            "cloudflare_zero_trust_gateway_policy": _policies(lists),
        },
    }
    files["proscribe.tf.json"] = json_file(document)
    return Rendered({**files, **about(decision, "cloudflare_gateway")}, names.included, names.left_out)


def _split(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + OF_LIST] for start in range(0, len(names), OF_LIST)]


def _list(file: str) -> Mapping[str, str]:
    return {
        "account_id": f"${{var.{ACCOUNT}}}",
        "name": f"Proscribe {file[:-4]}",
        "type": "DOMAIN",
        "items": f'${{csvdecode(file("${{path.module}}/{file}"))}}',
    }


def _policies(lists: Mapping[str, Sequence[object]]) -> Mapping[str, Mapping[str, object]]:
    return {
        f"proscribe_{action}": {
            "account_id": f"${{var.{ACCOUNT}}}",
            "name": f"Proscribe: {action}",
            "action": action,
            "enabled": True,
            "filters": ["dns"],
            "precedence": PRECEDENCE[action],
            "traffic": _traffic([f"proscribe_{kind}_{number + 1}" for number in range(len(lists[kind]))]),
        }
        for action, kind in (("allow", "allowed"), ("block", "blocked"))
    }


def _traffic(lists: Sequence[str]) -> str:
    """A list is named by `$` and its id. In Terraform's text, `$` before `{` would be more than itself."""
    either = " or ".join(["any(dns.domains[*] in $%s)"] * len(lists))
    return f'${{format("{either}", {", ".join(f"cloudflare_zero_trust_list.{name}.id" for name in lists)})}}'


FORMAT = Format(
    name="cloudflare_gateway",
    meant_for="Cloudflare Gateway (Zero Trust): lists of domains in CSV, and DNS policies for Terraform",
    controls=("dns",),
    render=render,
    main="blocked_1.csv, allowed_1.csv, proscribe.tf.json",
    blocks=blocks,
    device=Device(
        below="`example.com`, in a list of domains",
        exceptions="`allowed_<number>.csv`: a policy that allows, with the lower precedence",
        fetched="nothing is fetched: Terraform (provider 5) sends the lists, or somebody uploads the CSV files",
        pages=(
            "https://developers.cloudflare.com/cloudflare-one/reusable-components/lists/",
            "https://developers.cloudflare.com/cloudflare-one/account-limits",
            "https://developers.cloudflare.com/cloudflare-one/traffic-policies/dns-policies/",
            "https://developers.cloudflare.com/cloudflare-one/traffic-policies/order-of-enforcement/",
        ),
        read="2026-11-30",
        limit=LIMIT,
    ),
)
