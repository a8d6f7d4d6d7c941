"""Does the catalogue handle what public lists agree on? `python tests/recall.py FOLDER`: as it is, and refreshed.

The long tails are feeds that are agreements of these lists, and the lists are not in the repository. So all names are
measured with a catalogue that was refreshed from the same folder, the most asked-for with the one that is here.
"""

import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "module_utils"))

from proscribe.controller.cli import command_line  # noqa: E402
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue  # noqa: E402

# The shares that have to be handled: of the most asked-for names, and of all.
GOALS = {
    **dict.fromkeys(("vpn", "web_proxy", "tor"), (0.95, 0.90)),
    "encrypted_dns": (0.98, 0.97),
    **dict.fromkeys(("webmail", "file_hosts", "messaging"), (0.99, 0.97)),
}


def measured(folder, whole, *options):
    """Print how much is handled; the exit code, 1 below a goal."""
    goals = [f"{name}{':all' if whole else ''}={shares[whole]}" for name, shares in GOALS.items()]
    words = [word for goal in goals for word in ("--at-least", goal)]
    return command_line.main(["catalog", "recall", folder, *options, *words])


def main(folder):
    agreements = [feed.id for feed in read_catalogue([PROJECT / "catalog"]).feeds.values() if feed.agreement]
    as_it_is = measured(folder, whole=False)
    with tempfile.TemporaryDirectory() as own:
        into = ["--dir", own]
        refreshed = command_line.main(["catalog", "refresh", "--from", folder, *into, "--into", own, *agreements])
        return as_it_is or refreshed or measured(folder, True, *into)


def arguments(words):
    if len(words) != 1:
        sys.exit("usage: python tests/recall.py FOLDER")
    return words[0]


if __name__ == "__main__":
    sys.exit(main(arguments(sys.argv[1:])))
