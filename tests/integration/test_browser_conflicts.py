"""Our reading of policy files compared with that of a real Chromium, and of overrides with that of a real flatpak."""

import os
import subprocess

import pytest
from browser_setup import enforce, put, read_policies, real_plan
from conftest import require_tool
from proscribe.host.controls.browser import packaged_browsers
from proscribe.host.controls.browser.chromium_folder import ChromiumPolicyFolder
from proscribe.host.controls.browser.policy_places import PolicyPlace
from proscribe.host.controls.browser.site_rules import make_rules
from proscribe.host.system import Host

MANAGED = "/etc/chromium/policies/managed"
CHROMIUM = PolicyPlace("chromium", "chromium", f"{MANAGED}/proscribe.json", browsers=("chromium",))
LISTS = ("URLBlocklist", "URLAllowlist")
MERGE = "PolicyListMultipleSourceMergeList"
BEFORE = {"URLBlocklist": ["a.example"]}
AFTER = {"URLBlocklist": ["b.example"], "URLAllowlist": ["c.example"]}
FILES = {
    "lists before and after": {"10.json": BEFORE, "zz.json": AFTER},
    "a later file that joins other lists": {"zz.json": {"URLBlocklist": ["b.example"], MERGE: ["URLAllowlist"]}},
    "a later file with a list that is none": {"zz.json": {"URLBlocklist": "b.example"}},
    "an earlier file with a list that is none": {"10.json": {"URLBlocklist": "b.example"}},
    "a list of more than texts": {"10.json": {"URLBlocklist": ["b.example", 5]}},
    "a hidden file, and another case": {
        ".hidden": {"DnsOverHttpsMode": "automatic", "urlallowlist": ["a.example"]},
        "no-suffix": {"URLAllowlist": ["d.example"]},
    },
}


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_our_merge_of_several_policy_files_is_that_of_chromium(files, tree):
    require_tool("chromium")
    plan = real_plan(services_include=["whatsapp"], categories=[])
    put(tree, {f"{MANAGED}/{name}": content for name, content in files.items()})
    enforce(tree, plan)
    folder = ChromiumPolicyFolder(Host(str(tree)), CHROMIUM, make_rules(plan["controls"]["browser"]))
    policies = read_policies(tree)["policies"]
    its = {name: policies.get(name, {}) for name in LISTS}
    taken = {name: sorted(policy.get("value", []) if "error" not in policy else []) for name, policy in its.items()}
    assert taken == {name: sorted(folder.list_effective_texts(name)) for name in LISTS}, policies
    assert policies["DnsOverHttpsMode"]["value"] == folder.find_source("DnsOverHttpsMode")[1]


APP = "com.google.Chrome"
OVERRIDES = {
    "nothing": [],
    "the host's /etc": ["--nofilesystem=host-etc"],
    "the host, which does not mean its /etc": ["--nofilesystem=host"],
    "all that was granted": ["--nofilesystem=host:reset"],
    "all, and /etc again": ["--nofilesystem=host:reset", "--filesystem=host-etc:ro"],
    "/etc, but all of the host instead": ["--nofilesystem=host-etc", "--filesystem=host"],
}


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    """A user's installation of flatpak with an application that asks for the host's /etc."""
    place = tmp_path_factory.mktemp("flatpak")
    arch = subprocess.run(["flatpak", "--default-arch"], check=True, capture_output=True, text=True).stdout.strip()
    app, runtime = place / "app", f"org.example.Platform/{arch}/1"
    for folder in ("files/bin", "export"):
        (app / folder).mkdir(parents=True)
    metadata = f"[Application]\nname={APP}\nruntime={runtime}\nsdk={runtime}\ncommand=true\n"
    (app / "metadata").write_text(f"{metadata}[Context]\nfilesystems=host-etc;xdg-download;\n")
    repository = str(place / "repository")
    for command in (
        ["ostree", "init", "--mode=archive-z2", f"--repo={repository}"],
        ["flatpak", "build-export", repository, str(app), "stable"],
        ["flatpak", "--user", "remote-add", "--no-gpg-verify", "made", f"file://{repository}"],
        ["flatpak", "--user", "install", "--noninteractive", "--no-deps", "made", APP],
    ):
        done = subprocess.run(command, capture_output=True, text=True, env=of(place), check=False)
        assert done.returncode == 0, done.stderr
    return place


def of(place):
    (place / "home").mkdir(exist_ok=True)
    own = {"HOME": str(place / "home"), "FLATPAK_USER_DIR": str(place / "user"), "XDG_DATA_HOME": str(place / "data")}
    return {**os.environ, **own, "FLATPAK_SYSTEM_DIR": str(place / "system")}


@pytest.mark.parametrize("arguments", OVERRIDES.values(), ids=OVERRIDES)
def test_our_reading_of_overrides_is_that_of_flatpak(arguments, request):
    for tool in ("flatpak", "ostree"):
        require_tool(tool)
    place = request.getfixturevalue("chrome")
    subprocess.run(["flatpak", "override", "--user", "--reset", APP], check=False, capture_output=True, env=of(place))
    if arguments:
        subprocess.run(["flatpak", "override", "--user", *arguments, APP], check=True, env=of(place))
    show = ["flatpak", "info", "--user", "--show-permissions", APP]
    printed = subprocess.run(show, check=True, capture_output=True, text=True, env=of(place)).stdout
    override = place / "user/overrides" / APP
    own = (place / "user/app" / APP / "current/active/metadata").read_text()
    ours = packaged_browsers.apply_overrides(
        packaged_browsers.apply_overrides({}, own), override.read_text() if override.exists() else ""
    )
    assert packaged_browsers.has_etc(ours) is packaged_browsers.has_etc(
        packaged_browsers.apply_overrides({}, printed)
    ), printed
