"""Signers of programs on macOS: checks of `signing_ids` and `team_ids` between entries.

A rule for a team blocks everything that the team signs. So no entry may claim a team that also signs other programs.
These are the teams in SHARED_TEAMS, and each team with a program in another entry. Tor's team signs Mullvad Browser,
Nord's team signs a password manager. Sources of the teams: Installomator/Installomator fragments/labels (2026-08-08);
chainguard-dev/osquery-defense-kit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..reading.document_schema import Mistake

# Teams whose programs are common in offices. No list of them is complete.
SHARED_TEAMS = {
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


class ProgramSigner(NamedTuple):
    """The signing ids and team ids of an entry."""

    id: str
    rank: int  # of its directory: 0 is the project's own
    signing_ids: list[str]
    team_ids: list[str]


class _SigningClaim(NamedTuple):
    """A signing id or team id of an entry, with its place."""

    signer: ProgramSigner
    key: str
    position: int
    identifier: str

    def make_mistake(self, expected: str) -> tuple[str, Mistake]:
        """Return the id of the entry, and a mistake at this signing id or team id."""
        return self.signer.id, ((self.key, self.position), self.identifier, expected)


def check_signers(signers: Iterable[ProgramSigner]) -> Iterator[tuple[str, Mistake]]:
    """Yield a mistake for each signing id or team that two entries claim, and for each claimed team in SHARED_TEAMS.

    Each mistake comes with the id of the entry that has to change: the entry of the later directory.
    """
    programs: dict[str, str] = {}  # key: a signing id; value: the id of the first entry that has it
    claims_by_team: dict[str, list[_SigningClaim]] = {}  # a signing id begins with its team: TEAM:program
    for signer in sorted(signers, key=lambda signer: (signer.rank, signer.id)):
        for index, identifier in enumerate(signer.signing_ids):
            claim = _SigningClaim(signer, "signing_ids", index, identifier)
            if (owner_id := programs.setdefault(identifier, signer.id)) != signer.id:
                yield claim.make_mistake(f"a program of its own: {owner_id} has this one")
            claims_by_team.setdefault(identifier.partition(":")[0], []).append(claim)
        for index, identifier in enumerate(signer.team_ids):
            claims_by_team.setdefault(identifier, []).append(_SigningClaim(signer, "team_ids", index, identifier))
    for team, claims in claims_by_team.items():
        yield from _check_shared_teams(team, claims)


def _check_shared_teams(team: str, claims: list[_SigningClaim]) -> Iterator[tuple[str, Mistake]]:
    """Yield a mistake for each entry that claims a whole team (`team_ids`) although the team signs other programs, too.

    `claims` are the claims of all entries to the team or to a program of the team.
    """
    for team_claim in (claim for claim in claims if claim.key == "team_ids"):
        if team in SHARED_TEAMS:
            yield team_claim.make_mistake(
                f"a team that signs programs of this service alone, and not {SHARED_TEAMS[team]}'s"
            )
        for other_claim in claims:
            if other_claim.signer.id != team_claim.signer.id:
                later_claim = max(team_claim, other_claim, key=lambda claim: (claim.signer.rank, claim.signer.id))
                earlier_claim = other_claim if later_claim is team_claim else team_claim
                yield later_claim.make_mistake(
                    f"no team that {earlier_claim.signer.id} has in {earlier_claim.key}: one of them takes it as a "
                    f"whole"
                )
