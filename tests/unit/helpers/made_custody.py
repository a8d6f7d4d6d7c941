"""Plans, listed things and questions for the tests of what operators do with quarantines."""

from __future__ import annotations

from typing import Any

from proscribe.controller.custody.request import Request

DAY = "2026-11-2{}T08:00:00Z"


def item(id_: str = "wechat-00000001", **more: Any) -> dict[str, Any]:
    """A thing of alice's, as a host lists it."""
    path = more.get("path", "/home/alice/WeChat.AppImage")
    return {
        "id": id_,
        "group": "",
        "services": [id_.partition("-")[0]],
        "bytes": 5000,
        "finished": True,
        "path": path,
        "whole": path,
        "kind": "appimage",
        "taken_at": DAY.format(0),
        "owner": "alice",
        "place_of": "alice",
        "kept_until": "2027-02-18T08:00:00Z",
        **more,
    }


def plan(mode: str = "enforce", keep: int = 0, **services: Any) -> dict[str, Any]:
    """A plan with these services in `apps`, each as its entry or the name of its mode."""
    entries = {name: {"mode": entry} if isinstance(entry, str) else entry for name, entry in services.items()}
    return {"controls": {"apps": {"mode": mode, "services": entries, "settings": {"quarantine_keep": keep}}}}


def request(**more: Any) -> Request:
    return Request(**{"do": "list", **more})
