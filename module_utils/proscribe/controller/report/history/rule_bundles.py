"""Bundles: rules that began together, with their evidence. Thousands of hosts share a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import islice

from ....model.plan import format_canonical
from .database import HistorySession
from .tables import ADD_BUNDLE, make_bundles_query, make_parameters

MAX_CACHED_BUNDLES = 20_000  # bundles in memory while a run is written; apps have a path of their own on each host
BUNDLES_PER_QUERY = 500  # bundles in a query

EvidenceByRule = Mapping[str, str]  # rule -> evidence


class RuleBundles:
    """The bundles of a history, while a run is written into it."""

    def __init__(self, session: HistorySession) -> None:
        self._session = session
        self._rules_by_bundle: dict[str, EvidenceByRule] = {}
        self._new_rows: list[dict[str, str]] = []

    def load_bundles(self, ids: Iterable[str]) -> None:
        """Load these bundles for `get_rules`. Older bundles may be forgotten."""
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
        """Return the rules of a loaded or registered bundle."""
        return self._rules_by_bundle[bundle_id]

    def register_bundle(self, rules: EvidenceByRule) -> str:
        """Return the id of the bundle of these rules. `save_bundles` writes a new bundle."""
        bundle_id = hashlib.sha256(format_canonical(rules).encode()).hexdigest()[:32]
        if bundle_id not in self._rules_by_bundle:
            self._rules_by_bundle[bundle_id] = rules
            self._new_rows += [
                {"id": bundle_id, "rule": rule, "evidence": evidence} for rule, evidence in rules.items()
            ]
        return bundle_id

    def save_bundles(self) -> None:
        """Write the registered bundles. Bundles that the history already has stay as they are."""
        self._session.execute_for_rows(ADD_BUNDLE, self._new_rows)
        self._new_rows.clear()
