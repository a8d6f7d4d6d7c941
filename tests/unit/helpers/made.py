"""Made services and catalogues for the tests of compiling."""

import dataclasses

from proscribe.controller.compile.catalogue.catalogue_loader import Catalogue, Service
from proscribe.controller.compile.catalogue.release import CatalogueRelease

BLANK = {
    field.name: () if "tuple" in str(field.type) and "Mapping" not in str(field.type) else ""
    for field in dataclasses.fields(Service)
}
MAPPINGS = "browser_extensions origins packages markers tenant_control unverified windows_registered windows_publishers"
BLANK |= {"audience": "consumer", "category": "instant_messaging", "enforce": True, "programs": "private"}
BLANK |= {"decided": (), "retired": False, **{name: {} for name in MAPPINGS.split()}}


def service(id_, **keys):
    return Service(**{**BLANK, "id": id_, "name": id_.title(), **keys})


def catalogue(*services):
    by_id = {item.id: item for item in services}
    return Catalogue(services=by_id, browsers={}, feeds={}, version="test", release=CatalogueRelease(), retired=())
