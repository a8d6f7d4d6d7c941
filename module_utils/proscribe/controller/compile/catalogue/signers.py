"""Who signs programs on macOS: what entries say of it, compared with one another.

A rule for a team stops everything that the team signs. So a team that signs something else, too, is refused: one of
those below, or one that another entry has a program of. Tor's team signs Mullvad Browser, Nord's a password manager.

Sources of the teams: Installomator/Installomator fragments/labels (2026-08-08); chainguard-dev/osquery-defense-kit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .kinds import Mistake

# Teams whose programs every office has. No list of them is complete.
SHARED = {
    "UBF8T346G9": "Microsoft",
    "EQHXZ8M8AV": "Google",
    "V9WTTPBFK9": "Meta",
    "57T9237FN3": "Meta",
    "94KV3E626L": "Amazon",
    "JQ525L2MZD": "Adobe",
    "43AQ936H96": "Mozilla",
    "BJ4HAAB9B3": "Zoom",
    "DE8Y96K9QP": "Cisco",
    "68WVV388M8": "Cloudflare",
    "2BUA8C4S2C": "1Password",
    "2SB5Z68H26": "Proton",
    "W5W395V82Y": "Nord Security",
    "MADPSAYN6T": "the Tor Project",
    "88L2Q4487U": "Tencent",
    "5A4RE8SF68": "Tencent",
    "FN2V63AD2J": "Tencent",
    "477EAT77S3": "Yandex",
    "VEKTX9H2N7": "GitHub",
}


class Signer(NamedTuple):
    """What an entry says of who signs its programs."""

    id: str
    rank: int  # of its directory: 0 is the project's own
    signing_ids: list[str]
    team_ids: list[str]


class _Claim(NamedTuple):
    """A value of an entry."""

    of: Signer
    key: str
    place: int
    value: str

    def wrong(self, expected: str) -> tuple[str, Mistake]:
        return self.of.id, ((self.key, self.place), self.value, expected)


def check(signers: Iterable[Signer]) -> Iterator[tuple[str, Mistake]]:
    """What is wrong: the id of the entry that has to change, and the mistake. A later directory has to give way."""
    programs: dict[str, str] = {}  # by what a program is signed as, the first entry that has it
    of_teams: dict[str, list[_Claim]] = {}
    for one in sorted(signers, key=lambda one: (one.rank, one.id)):
        for index, value in enumerate(one.signing_ids):
            claim = _Claim(one, "signing_ids", index, value)
            if (other := programs.setdefault(value, one.id)) != one.id:
                yield claim.wrong(f"a program of its own: {other} has this one")
            of_teams.setdefault(value.partition(":")[0], []).append(claim)
        for index, value in enumerate(one.team_ids):
            of_teams.setdefault(value, []).append(_Claim(one, "team_ids", index, value))
    for team, claims in of_teams.items():
        yield from _not_alone(team, claims)


def _not_alone(team: str, claims: list[_Claim]) -> Iterator[tuple[str, Mistake]]:
    """Where an entry takes a team as a whole that signs something else, too."""
    for whole in (claim for claim in claims if claim.key == "team_ids"):
        if team in SHARED:
            yield whole.wrong(f"a team that signs programs of this service alone, and not {SHARED[team]}'s")
        for other in claims:
            if other.of.id != whole.of.id:
                later = max(whole, other, key=lambda claim: (claim.of.rank, claim.of.id))
                earlier = other if later is whole else whole
                yield later.wrong(f"no team that {earlier.of.id} has in {earlier.key}: one of them takes it as a whole")
