"""Bundles: rules that began together, with their evidence, which thousands of hosts share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import islice

from ....model.plan import format_canonical
from .database import Session
from .tables import ADD_BUNDLE, among, select_bundles

MOST = 20_000  # bundles that are remembered while a run is written; apps are found in a place of their own on each host
TOGETHER = 500  # bundles that are asked for in one query

Rules = Mapping[str, str]  # rule: evidence


class Bundles:
    """The bundles of a history, while a run is written into it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, Rules] = {}
        self._adding: list[dict[str, str]] = []

    def load(self, ids: Iterable[str]) -> None:
        """Have these bundles at hand for `rules`; older ones may be forgotten."""
        if len(self._known) > MOST:
            self._known.clear()
        missing = iter(sorted(set(ids) - self._known.keys()))
        while some := list(islice(missing, TOGETHER)):
            found: dict[str, dict[str, str]] = {id_: {} for id_ in some}
            for id_, rule, evidence in self._session.rows(select_bundles(len(some)), among(some)):
                found[id_][rule] = evidence
            self._known.update(found)

    def rules(self, id_: str) -> Rules:
        """The rules of a bundle that was loaded or made."""
        return self._known[id_]

    def of(self, rules: Rules) -> str:
        """The id of the bundle of these rules, which `save` writes if it is new."""
        id_ = hashlib.sha256(format_canonical(rules).encode()).hexdigest()[:32]
        if id_ not in self._known:
            self._known[id_] = rules
            self._adding += [{"id": id_, "rule": rule, "evidence": evidence} for rule, evidence in rules.items()]
        return id_

    def save(self) -> None:
        """Write the bundles that were made; those that the history has already stay as they are."""
        self._session.many(ADD_BUNDLE, self._adding)
        self._adding.clear()
