"""The policies beside the organisation's own, on real browsers."""

from browser_setup import enforce, lift, plan_of, put, unmet, visits

SERVICES = {
    "gmail": {"domains": ["mail.google.com"], "urls": ["mail.google.com/mail"]},
    "whatsapp": {"domains": ["whatsapp.com"], "urls": ["web.whatsapp.com"]},
    "dropbox": {"domains": ["dropbox.com"]},
    "proton_drive": {"urls": ["proton.me/drive"]},
    "telegram": {"domains": ["telegram.org"], "allow": ["api.telegram.org"]},
    "closed": {"domains": ["closed.test"], "allow": ["open.closed.test"]},
    "again": {"domains": ["again.open.closed.test"]},
}
HOSTS = ("mail.google.com", "web.whatsapp.com", "www.dropbox.com", "web.telegram.org", "www.closed.test")
RESTRICTED = [f"https://{name}/" for name in (*HOSTS, "again.open.closed.test", "proton.me/drive/folder")]
OPEN = ("www.example.org", "proton.me/mail", "api.telegram.org", "open.closed.test")
PERMITTED = [f"https://{name}/" for name in OPEN]
OWN = ["https://www.example.net/", "https://www.example.com/"]  # what the organisation itself blocks
MANAGED = "/etc/chromium/policies/managed"
BLOCK = ["*://www.example.net/*", "*://*.www.example.com/*"]
OWN_FILES = {
    "chromium": {
        f"{MANAGED}/10-organisation.json": {"URLBlocklist": ["www.example.net"]},
        f"{MANAGED}/zz-organisation.json": {"URLBlocklist": ["www.example.com"]},
    },
    "firefox": {"/etc/firefox/policies/policies.json": {"policies": {"WebsiteFilter": {"Block": BLOCK}}}},
}


def test_a_real_browser_is_kept_from_what_is_restricted_until_the_lift(browser, tree):
    put(tree, OWN_FILES[browser])
    before = {path: (tree / path[1:]).read_bytes() for path in OWN_FILES[browser]}
    plan = plan_of(SERVICES, {"dns_over_https": "blocked"})
    enforce(tree, plan)
    assert unmet(tree, plan) == []
    opened = {url for url, (hits, _) in visits(tree, browser, RESTRICTED + OWN + PERMITTED).items() if hits}
    assert opened == set(PERMITTED)
    lift(tree, plan)
    assert all(hits for hits, _ in visits(tree, browser, RESTRICTED[:2]).values())
    assert {path: (tree / path[1:]).read_bytes() for path in OWN_FILES[browser]} == before
