"""Tools of uv on made trees: the layout is what uv 0.13 left of `uv tool install` (see test_apps_real_uv.py)."""

from pathlib import Path

import pytest
from made_users import ALICE, put
from proscribe.host.controls.apps.systems import uv
from proscribe.host.system import Host

IDS = {"Telethon", "pyrogram"}
TOOLS = "/home/alice/.local/share/uv/tools"


def tool(root: Path, name: str, packages: dict[str, str], tools: str = TOOLS) -> None:
    environment = f"{tools}/{name}"
    put(root, f"{environment}/uv-receipt.toml", f'[tool]\nrequirements = [{{ name = "{name}" }}]\n')
    put(root, f"{environment}/bin/{name}", "#!/usr/bin/python3\n", 0o755)
    for package, version in packages.items():
        metadata = f"{environment}/lib/python3.13/site-packages/{package}-{version}.dist-info/METADATA"
        put(root, metadata, f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")


def test_a_tool_and_what_came_along_with_another(root):
    tool(root, "telethon", {"telethon": "1.36.0"})
    tool(root, "sendbox", {"sendbox": "2.0", "pyrogram": "2.1"})
    result, unseen = uv.query_of(Host(str(root)), ALICE, IDS)
    assert [(item.id, item.version, item.scope, item.handles) for item in result] == [
        ("pyrogram", "2.1", "user:alice", ("sendbox",)),
        ("Telethon", "1.36.0", "user:alice", ("telethon",)),
    ]
    assert unseen == "" and uv.query(Host(str(root)), IDS) == ([], "")
    assert uv.owned_directories(Host(str(root)), ALICE) == [TOOLS]


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("/home/alice/apps/telethon/bin/telethon", True),
        ("/home/bob/apps/telethon/bin/telethon", False),
        ("/home/alice/../bob/apps/telethon/bin/telethon", False),
        ("../../apps/telethon/bin/telethon", False),
        ("/home/alice/telethon", False),
    ],
)
def test_tools_elsewhere_are_found_by_links_to_their_programs(root, target, seen):
    for home in ("alice", "bob"):
        tool(root, "telethon", {"telethon": "1.36.0"}, tools=f"/home/{home}/apps")
    link = root / "home/alice/.local/bin/telethon"
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    assert len(uv.query_of(Host(str(root)), ALICE, IDS)[0]) == seen
    assert uv.owned_directories(Host(str(root)), ALICE) == [TOOLS, *(["/home/alice/apps"] if seen else [])]


def test_links_beyond_the_limit_are_reported(root, monkeypatch):
    names = [f"a{number}" for number in range(uv.MOST_LINKS + 1)]
    monkeypatch.setattr(Host, "list", lambda self, path: names if path.endswith("bin") else [])
    read: list[str] = []
    monkeypatch.setattr(uv, "link", lambda host, path: read.append(path) or "")
    unseen = "/home/alice/.local/bin has more than 2000 entries: not all were checked"
    assert uv.query_of(Host(str(root)), ALICE, IDS) == ([], unseen)
    assert len(read) == uv.MOST_LINKS
