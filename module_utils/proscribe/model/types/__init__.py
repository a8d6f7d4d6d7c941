"""What passes between rooms, as types: the keys of plans, records, runs and reports, and what each holds.

For checking, and for the JSON Schemas that are derived from them (docs/schema). Nothing imports them at run time, so
that they cost no host and no run anything: `if TYPE_CHECKING:` stands before each import of them.
"""
