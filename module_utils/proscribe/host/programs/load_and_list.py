"""Load a ruleset from standard input, and list the kernel's table in the spelling of the host's nft.

Arguments: nft, and the table's name. One call of nft cannot do both, because nft answers a listing in a file before it
commits the file.
"""

import subprocess
import sys

nft, table = sys.argv[1:]
sys.exit(subprocess.call([nft, "-f", "-"]) or subprocess.call([nft, "-s", "list", "table", "inet", table]))
