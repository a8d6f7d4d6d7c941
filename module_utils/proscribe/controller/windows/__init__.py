"""Windows hosts, which are observed and never changed. Controller side.

No code of Proscribe runs there. A single command line runs the platform's own programs (`command`). `answer` and
`registry` parse their output, and the rules are judged here (`apps`, `browsers`, `observing`). Parts that were not
searched are unknown.
"""
