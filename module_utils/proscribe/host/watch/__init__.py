"""The watch: a host that keeps itself in line between two runs, by the plan that the last run left there.

`state/` is what is on the host and what happened, with a pause for root. `observation.py` is one observation with its
correction. `installed.py` is the watcher itself as a desired and an observed state. `launches.py` ends restricted
programs when they start, which `starts/` notices. Host side.
"""
