"""What resolves names on a host, and what goes round its resolver, as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from proscribe.host.controls.dns.observed import Observed, observe_resolution, round_it, running
from proscribe.host.system import Host, Result
from proscribe.model.finding import Finding

STUB, OWN, OTHER = "127.0.0.53", "127.0.0.1", "192.0.2.1"
RESOLVED = {"systemd-resolved.service": 77}
BESIDES = "asked besides the filter, whenever that is slow to answer"


def server(address: str, detail: str) -> Finding:
    return Finding("nameserver", address, path="/etc/resolv.conf", detail=detail)


@pytest.mark.parametrize(
    ("observed", "resolver", "found"),
    [
        (Observed((OWN,), (), "", {}), "made", []),
        (Observed((OWN, OTHER, "::1"), (), "", {}), "made", [server(OTHER, BESIDES)]),
        (
            *(Observed((OTHER,), (), "", {}), "made"),
            [server(OTHER, f"programs do not ask made: the first name server is {OTHER}")],
        ),
        (
            *(Observed((), (), "", {}), "made"),
            [server("none", "programs do not ask made: the first name server is not named")],
        ),
        (
            *(Observed((STUB,), (OWN, OTHER), "", {}), "made"),
            [server(OTHER, "systemd-resolved asks it besides the filter")],
        ),
        (Observed((STUB,), (OWN, OTHER), "", {}), "resolved", []),
    ],
)
def test_what_goes_round_a_resolver(tmp_path: Path, observed: Observed, resolver: str, found: list[Finding]) -> None:
    assert round_it(Host(str(tmp_path)), observed, resolver) == found


@pytest.mark.parametrize(
    ("line", "servers", "units", "named"),
    [
        ("hosts: files resolve dns # x", OWN, RESOLVED, True),
        ("#hosts: resolve\nhosts: files dns\nhosts: resolve", OWN, RESOLVED, False),
        ("passwd: resolve", OWN, RESOLVED, False),
        ("hosts: files # resolve", OWN, RESOLVED, False),
        ("hosts: resolve", OWN, {}, False),
        ("hosts: resolve", STUB, RESOLVED, False),
    ],
)
def test_a_c_library_that_asks_systemd_resolved_itself(
    tmp_path: Path, line: str, servers: str, units: dict[str, int], named: bool
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nsswitch.conf").write_text(f"{line}\n")
    found = round_it(Host(str(tmp_path)), Observed((servers,), (), "", units), "made")
    assert [(one.kind, one.id, one.path) for one in found] == [("file", "nsswitch.conf", "/etc/nsswitch.conf")] * named


def test_which_resolvers_run_or_are_to_run_as_systemd_says(tmp_path: Path) -> None:
    tool = tmp_path / "usr/bin/systemctl"
    tool.parent.mkdir(parents=True)
    tool.touch(0o755)
    said = {
        "a": ("active", "disabled", "1"),
        "b": ("activating", "", "2"),
        "c": ("reloading", "disabled", "3"),
        "d": ("inactive", "enabled", "0"),
        "e": ("failed", "enabled-runtime", ""),
        "f": ("inactive", "disabled", "4"),
    }
    fields = "Id={}\nActiveState={}\nUnitFileState={}\nMainPID={}"
    calls: list[Sequence[str]] = []

    def answer(argv: Sequence[str]) -> Result:
        calls.append(argv)
        blocks = [fields.format(unit, *state) for unit, state in said.items()]
        return Result(0, "\n\n".join([*blocks, "Id=g\nnone", "ActiveState=active"]), "")

    assert running(Host(str(tmp_path), answer), list(said)) == {"a": 1, "b": 2, "c": 3, "d": 0, "e": 0, "": 0}
    assert observe_resolution(Host(str(tmp_path), answer), list(said)).units == {}
    assert observe_resolution(Host(str(tmp_path), answer), list(said), every=True).units["c"] == 3
    shown = "--property=Id,ActiveState,UnitFileState,MainPID"
    assert calls == 2 * [["/usr/bin/systemctl", "show", shown, "--", *said]]
    assert running(Host(str(tmp_path / "none"), answer), list(said)) == {}
