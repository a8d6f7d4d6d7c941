"""Waivers of each standing, and exports to points: for the runs of which whole outputs are compared."""

from fleets import DIGEST, WAIVERS

STANDING = [
    *WAIVERS, {**WAIVERS[0], "id": "ends-today", "expires": "2026-11-25T18:00:00Z", "services": ["line"], "hosts": []},
    {**WAIVERS[0], "id": "later", "status": "not_yet_valid", "valid_from": "2027-01-01T00:00:00Z", "risk": "",
     "users": []},
    {**WAIVERS[0], "id": "of-mallory", "status": "unauthorised", "waives": False, "why": "mallory may not approve it",
     "hosts": ["broken", "policies"], "signed_with": None},
    {**WAIVERS[0], "id": "taken-back", "hosts": ["named"], "status": "revoked",
     "revoked": {"on": "2026-11-20T08:00:00Z", "by": "bo.li", "why": "it was misused by gone"}},
    {**WAIVERS[0], "id": "of-everything", "waives": True, "valid_from": "2026-10-01T00:00:00Z",
     "review_by": "2026-11-20T00:00:00Z", "review_overdue": True, "why": "so says gone",
     "hosts": ["policies", "broken"], "zones": ["press"], "users": ["alice", "gone"], "posix_groups": ["editors"],
     "versions": ["4.0"], "paths": ["/opt/wechat"], "hours": ["08:00-18:00"],
     "compensating_controls": ["a proxy on gone"], "risk": "medium", "ticket": "BAN-12 of gone",
     "request": "0123456789abcdef", "requested_by": "alice", "requested_on": "2026-09-30T08:00:00Z",
     "approved_on": "2026-09-30T09:00:00Z", "signed_with": "ED25519 key SHA256:abc",
     "file": "inventory/waivers/press.yml"},
]  # fmt: skip
POINT = {
    "format": "rpz", "directory": "/srv/dns/guests", "group": "guests", "state": "current", "why": [],
    "written": "2026-11-24T08:00:00Z", "plan": DIGEST, "valid_until": "2026-12-24T18:00:00Z", "older": False,
    "expired": False, "signed_with": "ED25519 key SHA256:abc",
    "fetched_by": {"since": "2026-11-20T00:00:00Z", "addresses": 2,
                   "last": [{"address": "192.0.2.4", "at": "2026-11-24T09:00:00Z", "file": "proscribe.rpz"}]},
    "fetched_by_unknown": "",
}  # fmt: skip
UNREAD = {
    **dict.fromkeys(POINT), "format": "nft", "directory": "/srv/fw", "group": "", "state": "unknown",
    "why": ["it cannot be read"], "fetched_by_unknown": "there is no log",
}  # fmt: skip
