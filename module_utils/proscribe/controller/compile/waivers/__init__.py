"""The waivers: approved exceptions, one YAML file each in the `waivers/` folder of an inventory,
or in the one that proscribe_waivers_dir names.

    waiver       what a waiver is
    document     its file: the keys, and what is wrong with them
    authority    who may approve one: the register `approvers.yml`
    signatures   whether the approver signed the very bytes that were read
    standing     what a waiver is worth now, and why: the one answer that plans, reports and words for people share
    seen         which waivers earlier runs had, so that none is lost in silence
    reading      all of it for a run: the waivers of an inventory, each with its standing

A file that is malformed stops the run. A waiver that is well formed and has no standing (it ended, the wrong person
approved it, its signature does not fit, ...) waives nothing and is reported with the reason.
"""

from __future__ import annotations

from ..inventory.policy_folders import REGISTER, SIGNERS
from .authority import Authority, Register, read_register
from .document import Known, load_waivers, read_waiver
from .reading import Judged, judged_waivers
from .signatures import NAMESPACE, Signature, signature_of, signers_of, verify
from .standing import STATUSES, Context, Rules, Standing, scope, standing, worst_first
from .waiver import Revocation, Waiver

__all__ = [
    "NAMESPACE",
    "REGISTER",
    "SIGNERS",
    "STATUSES",
    "Authority",
    "Context",
    "Judged",
    "Known",
    "Register",
    "Revocation",
    "Rules",
    "Signature",
    "Standing",
    "Waiver",
    "judged_waivers",
    "load_waivers",
    "read_register",
    "read_waiver",
    "scope",
    "signature_of",
    "signers_of",
    "standing",
    "verify",
    "worst_first",
]
