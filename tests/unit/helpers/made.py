"""Made services and catalogues for the tests of compiling."""

import dataclasses
from typing import Any

from proscribe.controller.compile.catalogue.loading import Catalogue, Service
from proscribe.controller.compile.catalogue.release import Release

BLANK: dict[str, Any] = {
    field.name: () if "tuple" in str(field.type) and "Mapping" not in str(field.type) else ""
    for field in dataclasses.fields(Service)
}
BLANK |= {
    "audience": "consumer",
    "browser_extensions": {},
    "decided": (),
    "origins": {},
    "category": "instant_messaging",
    "enforce": True,
    "programs": "private",
    "packages": {},
    "markers": {},
    "retired": False,
    "tenant_control": {},
    "unverified": {},
    "windows_registered": {},
    "windows_publishers": {},
}


def service(id_: str, **keys: Any) -> Service:
    return Service(**{**BLANK, "id": id_, "name": id_.title(), **keys})


def catalogue(*services: Service) -> Catalogue:
    return Catalogue(
        services={item.id: item for item in services},
        browsers={},
        feeds={},
        version="test",
        release=Release(),
        retired=(),
    )
