"""Windows hosts, which are observed and never changed. Controller side.

Nothing of ours runs there. One command line asks the platform's own programs (`command`). `answer` and `registry` read
what they print, and the rules are judged here (`apps`, `browsers`, `observing`). What was not looked for is unknown.
"""
