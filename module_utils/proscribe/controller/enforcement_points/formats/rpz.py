"""Format `rpz`: a response policy zone for name servers.

BIND, Knot Resolver, PowerDNS Recursor, Unbound with RPZ, and DNS appliances read such zones.

"CNAME ." is NXDOMAIN, "CNAME rpz-passthru." leaves a name alone. A wildcard of a zone does not reach below a name that
exists in the zone (RFC 4592, 2.2.2). A name exists, too, if another name lies below it. So each such name is listed
with the record of the closest listed name above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ....host.controls.dns.effect_test import EXPORT_WITNESS_NAME
from ....host.controls.dns.names_to_block import find_covering_name
from ..dns_names import collect_dns_names, is_name_blocked
from ..file_header import make_witness_text
from ..format_declaration import ExportDecision, ExportError, ExportFormat, ExportOmission, RenderedExport
from ..text_template import render_template

TEMPLATE = """\
{{ header(";") }}
$TTL 300
@ SOA localhost. root.localhost. {{ serial }} 3600 600 86400 300
@ NS localhost.
{{ witness_name }} TXT "{{ witness_text }}"
{% for name, record in zone_records %}
{{ name }} {{ record }}
*.{{ name }} {{ record }}
{% endfor %}
"""
BLOCKED_RECORD, OPEN_RECORD = "CNAME .", "CNAME rpz-passthru."
# A name and the zone's name share 255 bytes (RFC 1035). This leaves room for a wildcard and 40 bytes of the zone's
# name.
MAX_NAME_LENGTH = 210
# If the last label of a name starts like this, RPZ reads no name: it matches an address, a name server or a client.
TRIGGER_PREFIXES = ("rpz-",)


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the zone file. Its names are relative, so the server may give the zone any name."""
    exported_names = collect_dns_names(decision)
    for name in (*exported_names.blocked_names, *exported_names.open_names):
        if name.rpartition(".")[2].startswith(TRIGGER_PREFIXES):
            raise ExportError(f"rpz: {name} would be a trigger and no name")
    records_by_name = {
        **dict.fromkeys(exported_names.blocked_names, BLOCKED_RECORD),
        **dict.fromkeys(exported_names.open_names, OPEN_RECORD),
    }
    short_records = {name: record for name, record in records_by_name.items() if len(name) <= MAX_NAME_LENGTH}
    zone_records = {
        **short_records,
        **{
            name: short_records[find_covering_name(name, short_records.keys())]
            for name in _iterate_intermediate_names(short_records)
        },
    }
    zone = render_template(
        TEMPLATE,
        decision,
        "rpz",
        serial=int(decision.compiled_at.timestamp()),  # it increases with each export, and fits until 2106
        witness_name=EXPORT_WITNESS_NAME,
        witness_text=make_witness_text(decision),
        zone_records=sorted(zone_records.items()),
    )
    left_out = [
        ExportOmission("", f"name {name}", "It is too long for a name of a policy zone.")
        for name in sorted(records_by_name.keys() - short_records.keys())
    ]
    return RenderedExport({"proscribe.rpz": zone}, exported_names.included_rules, [*exported_names.left_out, *left_out])


def _iterate_intermediate_names(names: Iterable[str]) -> Iterator[str]:
    """Yield each name that lies between a listed name and the next listed name above.

    Such a name exists in the zone although it is not listed, so a wildcard above would not reach below it.
    """
    all_names = frozenset(names)
    for name in all_names:
        covering_name = find_covering_name(name.partition(".")[2], all_names)
        parent = name.partition(".")[2]
        while covering_name and parent != covering_name:
            yield parent
            parent = parent.partition(".")[2]


FORMAT = ExportFormat(
    name="rpz",
    purpose="name servers with response policy zones: BIND, Knot Resolver, PowerDNS Recursor, DNS appliances",
    controls=("dns",),
    render_export=render_export,
    tested_with="named-checkzone and named (BIND 9.20); kresd (Knot Resolver 5.7) by hand",
    main_files="proscribe.rpz",
    is_blocked=is_name_blocked,
)
