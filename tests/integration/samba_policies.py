"""What Samba reads in a Registry.pol: run by Debian's own Python, beside the modules of python3-samba.

    python3 samba_policies.py Registry.pol [GptTmpl.inf]
    {"entries": [[key, value, type, data], ...], "again": "<the file as Samba writes it, in base64>",
     "chrome": {...}, "chromium": {...}, "firefox": {...}}

With a security template, "template" has it as Samba writes it again, in base64, and "services" what it says of these.

The last three are what samba-gpupdate writes for these browsers on a Linux host. Standard library and Samba only.
"""

import base64
import json
import sys
from pathlib import Path

from samba.dcerpc import preg
from samba.gp import gp_chromium_ext, gp_firefox_ext
from samba.gp_parse import gp_inf
from samba.ndr import ndr_pack, ndr_unpack


def main():
    read = ndr_unpack(preg.file, Path(sys.argv[1]).read_bytes())
    found = {
        "entries": [[entry.keyname, entry.valuename, entry.type, entry.data] for entry in read.entries],
        "again": base64.b64encode(ndr_pack(read)).decode("ascii"),
        "firefox": gp_firefox_ext.convert_pol_to_json("Software\\Policies\\Mozilla\\Firefox", read.entries),
    }
    for name, below in {"chrome": "Google\\Chrome", "chromium": "Chromium"}.items():
        managed, recommended = gp_chromium_ext.convert_pol_to_json(f"Software\\Policies\\{below}", read.entries)
        if recommended:
            raise ValueError(f"{name}: only recommended are {recommended}")
        found[name] = managed
    if len(sys.argv) > 2:
        template = gp_inf.GptTmplInfParser()
        template.parse(Path(sys.argv[2]).read_bytes())
        again = Path(sys.argv[2]).with_suffix(".again")
        template.write_binary(str(again))
        found["template"] = base64.b64encode(again.read_bytes()).decode("ascii")
        found["services"] = template.sections["Service General Setting"].param_list
    json.dump(found, sys.stdout, default=list)  # bytes as numbers


if __name__ == "__main__":
    main()
