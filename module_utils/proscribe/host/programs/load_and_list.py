"""Load a ruleset from standard input, then list one table of the kernel in the spelling of the host's nft.

The arguments are the path of nft and the table's name. Two calls of nft are needed: within one call, nft answers a
listing before it commits the ruleset.
"""

import subprocess
import sys

nft, table = sys.argv[1:]
sys.exit(subprocess.call([nft, "-f", "-"]) or subprocess.call([nft, "-s", "list", "table", "inet", table]))
