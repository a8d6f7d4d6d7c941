"""The organisation's tenants in real browsers: which sites get them in headers, and which host is closed instead.

How Google and Microsoft use these headers is not tested.
"""

from collections.abc import Mapping

import pytest
from browser_setup import HERE, enforce, in_place_of_etc, real_plan
from conftest import require_tool

DOMAINS, TENANTS = ["corp.example", "corp.test"], ["11111111-2222-3333-4444-555555555555", "tenant.example"]
GOOGLE = {"x-googapps-allowed-domains": ",".join(DOMAINS)}
WORK = {"restrict-access-to-tenants": ",".join(TENANTS), "restrict-access-context": TENANTS[0]}
PRIVATE = {"sec-restrict-tenant-access-policy": "restrict-msa"}
HEADERS = (*GOOGLE, *WORK, *PRIVATE)
# What of these headers comes to a site, in (Chromium, Firefox); None: the browser is not there.
SITES: Mapping[str, tuple[Mapping[str, str] | None, Mapping[str, str] | None]] = {
    "https://accounts.google.com/": (GOOGLE, GOOGLE),
    "https://mail.google.com/mail/": (GOOGLE, GOOGLE),  # which is blocked without tenants
    "https://drive.google.com/": (GOOGLE, GOOGLE),
    "https://google.com/": (GOOGLE, {}),
    "https://google.com.example/": ({}, {}),
    "https://login.microsoftonline.com/common/": (WORK, {}),
    "https://login.live.com/": (PRIVATE, None),
    "https://www.microsoft.com/": ({}, {}),
    "https://web.whatsapp.com/": (None, None),
}


@pytest.mark.parametrize(("name", "tool"), [("chromium", "chromium"), ("firefox", "firefox-esr")])
def test_only_the_sites_of_google_and_microsoft_get_the_tenants(name, tool, tree):
    for needed in (tool, "openssl"):
        require_tool(needed)
    enforce(tree, real_plan(tenants={"google": DOMAINS, "microsoft": TENANTS}))
    sent = in_place_of_etc(tree, HERE / "browser_headers.py", "--browser", name, *SITES)
    assert {
        url: {key: value for key, value in came.items() if key in HEADERS} if came is not None else None
        for url, came in sent.items()
    } == {url: cases[name == "firefox"] for url, cases in SITES.items()}
