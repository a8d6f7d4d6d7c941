"""Bundles: rules that began together, with their evidence, which thousands of hosts share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import islice

from ....model.plan import format_canonical
from .database import HistorySession
from .tables import ADD_BUNDLE, make_bundles_query, make_parameters

MAX_CACHED_BUNDLES = (
    20_000  # bundles that are remembered while a run is written; apps are found in a place of their own on each host
)
BUNDLES_PER_QUERY = 500  # bundles that are asked for in one query

EvidenceByRule = Mapping[str, str]  # rule: evidence


class RuleBundles:
    """The bundles of a history, while a run is written into it."""

    def __init__(self, session: HistorySession) -> None:
        self._session = session
        self._rules_by_bundle: dict[str, EvidenceByRule] = {}
        self._new_rows: list[dict[str, str]] = []

    def load_bundles(self, ids: Iterable[str]) -> None:
        """Have these bundles at hand for `get_rules`; older ones may be forgotten."""
        if len(self._rules_by_bundle) > MAX_CACHED_BUNDLES:
            self._rules_by_bundle.clear()
        missing_ids = iter(sorted(set(ids) - self._rules_by_bundle.keys()))
        while query_ids := list(islice(missing_ids, BUNDLES_PER_QUERY)):
            loaded_rules: dict[str, dict[str, str]] = {bundle_id: {} for bundle_id in query_ids}
            for bundle_id, rule, evidence in self._session.fetch_rows(
                make_bundles_query(len(query_ids)), make_parameters(query_ids)
            ):
                loaded_rules[bundle_id][rule] = evidence
            self._rules_by_bundle.update(loaded_rules)

    def get_rules(self, bundle_id: str) -> EvidenceByRule:
        """The rules of a bundle that was loaded or made."""
        return self._rules_by_bundle[bundle_id]

    def register_bundle(self, rules: EvidenceByRule) -> str:
        """The id of the bundle of these rules, which `save_bundles` writes if it is new."""
        bundle_id = hashlib.sha256(format_canonical(rules).encode()).hexdigest()[:32]
        if bundle_id not in self._rules_by_bundle:
            self._rules_by_bundle[bundle_id] = rules
            self._new_rows += [
                {"id": bundle_id, "rule": rule, "evidence": evidence} for rule, evidence in rules.items()
            ]
        return bundle_id

    def save_bundles(self) -> None:
        """Write the bundles that were made; those that the history has already stay as they are."""
        self._session.execute_for_rows(ADD_BUNDLE, self._new_rows)
        self._new_rows.clear()
