"""The resolvers that tests run for real, as each backend's own test describes them (unit/controls/dns_contract.py)."""

from dns_contract import sample
from proscribe.host.controls.dns.backends.filter_backends import FILTER_BACKENDS

__all__ = ("MADE", "PACKAGED", "UNITS", "sample")
MADE = {name: made for name in FILTER_BACKENDS if (made := sample(name).made)}
PACKAGED = {name: packaged for name in FILTER_BACKENDS if (packaged := sample(name).packaged)}
UNITS = {name: unit for name, (_, unit, _) in FILTER_BACKENDS.items()}
