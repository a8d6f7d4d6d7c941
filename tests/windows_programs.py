"""Files and packaged apps that offices have on Windows, out of tests/catalog/windows_programs.yml."""

from pathlib import Path

import yaml
from applocker_evaluator import File

MICROSOFT = ("O=MICROSOFT CORPORATION, L=REDMOND, S=WASHINGTON, C=US", "MICROSOFT® WINDOWS® OPERATING SYSTEM")


def permitted():
    """More than 10,000 of them."""
    known = yaml.safe_load((Path(__file__).parent / "catalog/windows_programs.yml").read_text("utf-8"))
    for folder in known["folders_of_windows"]:
        for name in known["windows"].split():
            yield File(f"{folder}\\{name}.exe", *MICROSOFT, f"{name.upper()}.EXE")
    for one in known["common"]:
        publisher, product = one.get("publisher", ""), one.get("product", "")
        for name in one["programs"].split():
            for place in known["places"]:
                for below in known["below"]:
                    path = f"{place}\\{one['folder']}{below}\\{name}.exe"
                    yield File(path, publisher, product, f"{name.upper()}.EXE")
            yield File(f"C:\\Users\\alice\\Downloads\\{product or name} {name}.msi", publisher, product, "SETUP.MSI")
    yield from (File(path) for path in known["near"])
    for one in known["apps"]:
        for name in one["names"]:
            yield File("", one["publisher"], name, "APP", packaged=True)
