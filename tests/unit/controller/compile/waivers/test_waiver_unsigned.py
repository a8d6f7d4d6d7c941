"""A waiver whose signature nobody checked names no key: a reader of the report would rely on it."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("mode", ["optional", "off"])
def test_a_waiver_without_a_signature_is_signed_with_no_key(organisation, mode):
    organisation.variables = {"waiver_signatures": mode}
    organisation.waiver()
    (waiver,) = organisation.run()["waivers"]
    assert (waiver["status"], waiver["signed_with"]) == ("active", "")


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_a_waiver_from_a_request_waives_nothing_before_it_is_signed(organisation, mode):
    """An operator drafted it: what an approver did not sign is nobody's decision."""
    organisation.variables = {"waiver_signatures": mode}
    organisation.waiver(request="0123456789abcdef")
    (waiver,) = organisation.run()["waivers"]
    assert waiver["status"] == "unsigned" and "a waiver from a request requires a signature by" in waiver["why"]
