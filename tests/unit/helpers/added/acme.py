"""A package system that there is not: a directory in /opt/acme for each package. One file, as any other is one."""

from functools import partial

from ...base import ControlAction
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .package import Package

MANAGER = "acme"
PLACE = "/opt/acme"


def find_packages(host, ids):
    names = [name for name in host.list_directory(PLACE) if name in ids]
    return [Package(MANAGER, name, "1", path=f"{PLACE}/{name}") for name in names], ""


def find_user_packages(host, user, ids):
    return [], ""  # it installs for the whole host


def list_owned_directories(host, user):
    return [] if user else [PLACE]


def make_program_matcher(host, ids, packages):
    return lambda process: ""


def plan_removal(host, packages):
    return [
        ControlAction("remove", package.id, partial(host.delete_file, f"{package.path}/app")) for package in packages
    ], []


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key="acme_store",
        id_format=PackageIdFormat(
            id_pattern=r"[a-z]{2,20}",
            meaning="an Acme name: 2 to 20 lower case letters",
            source="its test",
            valid_example="telegram",
            invalid_examples=("Telegram", "-x"),
        ),
        reinstall=ReinstallCommands({"": "{tool} install {names}"}),
        routes=(
            InstallRoute(
                route="acme: packages of the Acme store",
                detection=CoverageClaim(
                    "its directories in `/opt/acme`",
                    "unit/checkout/docs/test_how_to_one_file_each::test_a_package_system",
                ),
                removal=CoverageClaim(
                    "Acme itself", "unit/checkout/docs/test_how_to_one_file_each::test_a_package_system"
                ),
                prevention=None,
                remaining_gap="Acme asks nobody",
            ),
        ),
        traces=(PLACE,),
    ),
)
