"""Format `cloudflare_gateway`: lists of domains in CSV, and DNS policies for Terraform that use them.

The selector `dns.domains` has a name and all its parents, so an entry covers all names below it. The first matching
policy decides. Lists are split, because the smallest plan allows 1,000 entries per list. Cloudflare assigns the ids of
lists, and Terraform inserts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..allow_and_block_lists import is_host_blocked, make_two_lists
from ..file_header import encode_json, encode_lines, make_about_file
from ..format_declaration import DeviceDocumentation, DeviceLimit, ExportDecision, ExportFormat, RenderedExport

MAX_LIST_ENTRIES = 1_000
NAME_LIMIT = DeviceLimit(100_000, "names", "100 lists of 1,000 entries, on Standard plans")
# Cloudflare evaluates the lowest precedence first. By default, an organisation's policies start at 1,000.
POLICY_PRECEDENCE = {"allow": 800, "block": 900}
ACCOUNT_VARIABLE = "cloudflare_account_id"


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return a CSV file for each list of domains, and the Terraform configuration that uses the lists."""
    exported_names = make_two_lists(decision)
    NAME_LIMIT.check_count(len(exported_names.blocked_names) + len(exported_names.allowed_names))
    lists = {"blocked": _split_list(exported_names.blocked_names), "allowed": _split_list(exported_names.allowed_names)}
    files = {
        f"{kind}_{number}.csv": encode_lines(["value", *list_names])
        for kind, parts in lists.items()
        for number, list_names in enumerate(parts, 1)
    }
    document = {
        "variable": {ACCOUNT_VARIABLE: {"type": "string"}},
        "resource": {
            "cloudflare_zero_trust_list": {f"proscribe_{name[:-4]}": _make_list(name) for name in sorted(files)},
            "cloudflare_zero_trust_gateway_policy": _make_policies(lists),
        },
    }
    files["proscribe.tf.json"] = encode_json(document)
    return RenderedExport(
        {**files, **make_about_file(decision, "cloudflare_gateway")},
        exported_names.included_rules,
        exported_names.left_out,
    )


def _split_list(names: Sequence[str]) -> list[Sequence[str]]:
    return [
        names[start_index : start_index + MAX_LIST_ENTRIES] for start_index in range(0, len(names), MAX_LIST_ENTRIES)
    ]


def _make_list(file_name: str) -> Mapping[str, str]:
    return {
        "account_id": f"${{var.{ACCOUNT_VARIABLE}}}",
        "name": f"Proscribe {file_name[:-4]}",
        "type": "DOMAIN",
        "items": f'${{csvdecode(file("${{path.module}}/{file_name}"))}}',
    }


def _make_policies(lists: Mapping[str, Sequence[object]]) -> Mapping[str, Mapping[str, object]]:
    return {
        f"proscribe_{action}": {
            "account_id": f"${{var.{ACCOUNT_VARIABLE}}}",
            "name": f"Proscribe: {action}",
            "action": action,
            "enabled": True,
            "filters": ["dns"],
            "precedence": POLICY_PRECEDENCE[action],
            "traffic": _make_traffic_expression(
                [f"proscribe_{kind}_{number + 1}" for number in range(len(lists[kind]))]
            ),
        }
        for action, kind in (("allow", "allowed"), ("block", "blocked"))
    }


def _make_traffic_expression(lists: Sequence[str]) -> str:
    """Return the expression of a policy that matches any of the lists.

    A list is named by `$` and its id. In Terraform's text, `$` before `{` would start an interpolation.
    """
    any_list_match = " or ".join(["any(dns.domains[*] in $%s)"] * len(lists))
    return f'${{format("{any_list_match}", {", ".join(f"cloudflare_zero_trust_list.{name}.id" for name in lists)})}}'


FORMAT = ExportFormat(
    name="cloudflare_gateway",
    purpose="Cloudflare Gateway (Zero Trust): lists of domains in CSV, and DNS policies for Terraform",
    controls=("dns",),
    render_export=render_export,
    main_files="blocked_1.csv, allowed_1.csv, proscribe.tf.json",
    is_blocked=is_host_blocked,
    device=DeviceDocumentation(
        wildcard_form="`example.com`, in a list of domains",
        exception_form="`allowed_<number>.csv`: a policy that allows, with the lower precedence",
        fetch_method="nothing is fetched: Terraform (provider 5) sends the lists, or somebody uploads the CSV files",
        vendor_pages=(
            "https://developers.cloudflare.com/cloudflare-one/reusable-components/lists/",
            "https://developers.cloudflare.com/cloudflare-one/account-limits",
            "https://developers.cloudflare.com/cloudflare-one/traffic-policies/dns-policies/",
            "https://developers.cloudflare.com/cloudflare-one/traffic-policies/order-of-enforcement/",
        ),
        read_on="2026-11-30",
        limit=NAME_LIMIT,
    ),
)
