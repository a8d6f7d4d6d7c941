"""What passes between rooms, as types: the keys of plans, records, runs and reports, and what each holds.

They are for type checkers, and the JSON Schemas in docs/schema are derived from them. Code of hosts imports them below
`if TYPE_CHECKING:`, so they cost no host anything.
"""
