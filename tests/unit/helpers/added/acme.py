"""A package system that there is not: a directory in /opt/acme for each package. One file, as any other is one."""

from functools import partial

from ...base import Action
from .declaration import Claim, Declared, Ids, Reinstall, Route
from .package import Package

MANAGER = "acme"
PLACE = "/opt/acme"


def find_packages(host, ids):
    return [Package(MANAGER, name, "1", path=f"{PLACE}/{name}") for name in host.list(PLACE) if name in ids], ""


def find_user_packages(host, user, ids):
    return [], ""  # it installs for the whole host


def list_owned_directories(host, user):
    return [] if user else [PLACE]


def make_program_matcher(host, ids, packages):
    return lambda process: ""


def plan_removal(host, packages):
    return [Action("remove", package.id, partial(host.delete, f"{package.path}/app")) for package in packages], []


DECLARED = (
    Declared(
        name=MANAGER,
        key="acme_store",
        ids=Ids(
            pattern=r"[a-z]{2,20}",
            meaning="an Acme name: 2 to 20 lower case letters",
            source="its test",
            good="telegram",
            bad=("Telegram", "-x"),
        ),
        reinstall=Reinstall({"": "{tool} install {names}"}),
        routes=(
            Route(
                route="acme: packages of the Acme store",
                seen=Claim(
                    "its directories in `/opt/acme`",
                    "unit/checkout/docs/test_how_to_one_file_each::test_a_package_system",
                ),
                removed=Claim("Acme itself", "unit/checkout/docs/test_how_to_one_file_each::test_a_package_system"),
                prevented=None,
                left="Acme asks nobody",
            ),
        ),
        traces=(PLACE,),
    ),
)
