"""The watch: observation and correction of a host by itself, between two runs of the controller. Host side.

The watch follows the plan that the last run left on the host. `state/` has the files of the watch, the events, and a
pause for root. `own_observation.py` is an observation of the host by itself, with its correction.
`watch_observation.py` observes the watch itself. `starts/` notices starts of programs, and `launches.py` ends the
restricted programs among them.
"""
