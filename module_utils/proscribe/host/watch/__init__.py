"""The watch: a host that keeps itself in line between two runs, by the plan that the last run left there.

`files.py` says what is on the host, `journal.py` remembers what happened, `observation.py` is one observation with its
correction, `pause.py` is for root who needs a pause, `installed.py` is the watcher itself as a desired and an observed
state, `launches.py` sees programs when they start. Host side.
"""
