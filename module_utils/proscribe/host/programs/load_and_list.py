"""Loads a ruleset from standard input and lists the table: what the kernel makes of it, spelled by the host's own nft.

Arguments: nft, and the table's name. One nft cannot do both, because a listing within a file is answered before the
file is committed.
"""

import subprocess
import sys

nft, table = sys.argv[1:]
sys.exit(subprocess.call([nft, "-f", "-"]) or subprocess.call([nft, "-s", "list", "table", "inet", table]))
