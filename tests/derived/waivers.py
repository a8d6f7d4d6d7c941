"""The tables of docs/waivers.md: the keys of a waiver, and what it can be worth."""

from proscribe.controller.compile.waivers.document import WAIVER
from proscribe.controller.compile.waivers.waiver import NARROWING_KEYS
from proscribe.controller.compile.waivers.waiver_status import STATUSES

from .part import described, parts_of, read_rows, table


def only(key):
    able, why = NARROWING_KEYS[key]
    return f"with `controls: [{', '.join(able)}]` or less, because {why}"


KEY = read_rows(
    f"""
{", ".join(WAIVER.required)} | required
controls | for these controls; left out, for all
hosts, groups | where; they add up
zones | narrows hosts and groups to those whose `proscribe_zone` is named; alone, it stands for all hosts of these zones
signed_hosts | the hosts that groups and zones came to when it was signed; `waiver sign` writes it, so that the
    signature covers it
users | only for these login names; {only("users")}
posix_groups | only for the members of these groups of the host's users, beside `users`; with the same `controls`
versions | only for what is installed in these versions; {only("versions")}
paths | only for what is installed at these very paths; {only("paths")}
hours | open at these times only, in the host's own zone, `mon-fri 09:00-18:00`; {only("hours")}
request | the id of the request that it answers; then it waives only with a signature, also where others need none
valid_from | the start; left out, or earlier than the approval, it is the approval
review_by | when somebody has to ask whether the need is still there; left out: 31 days after `approved_on` or
    `reviewed_on`
reviewed_on | when that was asked last
revoked | `{{on: time, by: name, why: text}}`: revoked
risk, compensating_controls, ticket, requested_on | for the record
"""
)
STATUS = read_rows(
    """
active | all is well: it waives. With `review_overdue` it still does, and every run reports it | review it, and write
    `reviewed_on`
not_yet_valid | before its start | -
revoked | from `revoked.on` on, whatever else is wrong with it | -
expired | from `expires` on | a new waiver, if the need is still there
no_hosts | no host of the inventory is in its scope | correct the groups or zones
too_long | it runs for more than `proscribe_waiver_max_days` | an earlier end
blanket | it is for the group `all`, or for every host there is | name the hosts that need it, or
    `proscribe_waiver_blanket: true`
unauthorised | `approvers.yml` does not let `approved_by` approve for every host in scope | the right approver
self_approved | `requested_by` and `approved_by` are one person, or may be: by name, address or login, however spelled
    | two people
unsigned | `proscribe_waiver_signatures: required`, and there is no signature | sign it
bad_signature | there is a signature and it does not count, or cannot be checked | sign it again; the reason names
    what is missing
"""
)


def keys():
    return table(("key", "meaning"), described(list(WAIVER.keys), KEY))


def statuses():
    return table(("status", "when", "what to do"), described(STATUSES[::-1], STATUS))


DERIVED = parts_of("docs/waivers.md", {"keys": keys, "statuses": statuses})
