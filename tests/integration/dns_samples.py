"""The resolvers that tests run for real, as each backend's own test describes them (unit/controls/dns_contract.py)."""

from dns_contract import sample
from proscribe.host.controls.dns.backends.registry import FILTERS

__all__ = ("MADE", "PACKAGED", "UNITS", "sample")
MADE = {name: made for name in FILTERS if (made := sample(name).made)}
PACKAGED = {name: packaged for name in FILTERS if (packaged := sample(name).packaged)}
UNITS = {name: unit for name, (_, unit, _) in FILTERS.items()}
