"""Types of the data that packages exchange: the keys and values of plans, records, runs and reports.

They are for type checkers, and the JSON Schemas in docs/schema are derived from them. Code of hosts imports them below
`if TYPE_CHECKING:`, so they cost no host anything.
"""
