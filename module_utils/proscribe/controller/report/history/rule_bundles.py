"""Bundles: rules whose incidents began together, with their evidence. Thousands of hosts share a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import islice

from ....model.plan import format_canonical
from .database import HistorySession
from .tables import ADD_BUNDLE, make_bundles_query, make_parameters

# Most bundles in memory while a run is saved in the history. The evidence of an app has its path, which differs from
# host to host. So hosts with the same app may need a bundle each.
MAX_CACHED_BUNDLES = 20_000
BUNDLES_PER_QUERY = 500  # most bundles in a query

EvidenceByRule = Mapping[str, str]  # evidence by the name of the rule


class RuleBundles:
    """The bundles of the history while a run is written: rules whose incidents began together, with evidence."""

    def __init__(self, session: HistorySession) -> None:
        self._session = session
        self._rules_by_bundle: dict[str, EvidenceByRule] = {}
        self._new_rows: list[dict[str, str]] = []

    def load_bundles(self, ids: Iterable[str]) -> None:
        """Load the bundles with these ids for `get_rules`.

        Bundles of earlier calls may be removed from memory.
        """
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
        """Return the rules of a bundle, each with its evidence. The bundle must be loaded or registered."""
        return self._rules_by_bundle[bundle_id]

    def register_bundle(self, rules: EvidenceByRule) -> str:
        """Return the id of the bundle of these rules. `save_bundles` writes the bundle if it is new."""
        bundle_id = hashlib.sha256(format_canonical(rules).encode()).hexdigest()[:32]
        if bundle_id not in self._rules_by_bundle:
            self._rules_by_bundle[bundle_id] = rules
            self._new_rows += [
                {"id": bundle_id, "rule": rule, "evidence": evidence} for rule, evidence in rules.items()
            ]
        return bundle_id

    def save_bundles(self) -> None:
        """Write the new bundles. Bundles that the history already has stay as they are."""
        self._session.execute_for_rows(ADD_BUNDLE, self._new_rows)
        self._new_rows.clear()
