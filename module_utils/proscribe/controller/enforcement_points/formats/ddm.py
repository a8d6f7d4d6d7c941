"""Apple's declarative management: restricted programs do not start on supervised Macs with macOS 27.

The declaration is com.apple.configuration.app.settings, whose schema Apple has published with that release
(https://github.com/apple/device-management). Its DeniedApps are for iOS; Macs have DeniedBinaries. There a program is
named by its signing identifier, which is its bundle id unless the vendor has signed it under another name.
"""

from __future__ import annotations

from .. import apple
from ..declaration import Decision, Format, LeftOut, NotExportable, Rendered
from ..header import json_file

CONTROL = "apps"
DECLARATION, ACTIVATION = "app_settings.json", "activation.json"


def render(decision: Decision) -> Rendered:
    """The declaration, and the activation without which a device does not follow it."""
    if not (ids := apple.bundle_ids(decision)):
        raise NotExportable("nothing to export: the catalogue has no bundle id of a restricted service")
    name = apple.identifier(decision, "apps")
    denied = [{"SigningID": one} for one in sorted({one for those in ids.values() for one in those})]
    files = {
        DECLARATION: _declaration(
            decision, "com.apple.configuration.app.settings", name, {"Allowed": {"DeniedBinaries": denied}}
        ),
        ACTIVATION: _declaration(
            decision,
            "com.apple.activation.simple",
            apple.identifier(decision, "activation"),
            {"StandardConfigurations": [name]},
        ),
    }
    older = LeftOut("", "Macs before macOS 27, and those that are not supervised", "They ignore this declaration.")
    return Rendered(files, [f"{CONTROL}/{id_}" for id_ in ids], [older, *apple.without_bundle_id(decision)])


def _declaration(decision: Decision, type_: str, name: str, payload: dict[str, object]) -> bytes:
    document = {
        "Type": type_,
        "Identifier": name,
        "ServerToken": apple.token(decision, type_),
        "Payload": payload,
    }
    return json_file(document, 2)


FORMAT = Format(
    name="ddm",
    meant_for="programs on supervised Macs with macOS 27, by declarative device management",
    controls=(CONTROL,),
    render=render,
    accepted_by="Apple's published schema of the declaration",
    main=f"{DECLARATION}, {ACTIVATION}",
)
