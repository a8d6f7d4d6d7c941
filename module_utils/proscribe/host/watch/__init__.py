"""The watch: observation and correction of a host by itself, between two runs of the controller. Host side.

The watch follows the plan that the last run left on the host. `state/` has the files of the watch, the events, and a
pause for root. `observation.py` is an own observation with its correction. `watch_observation.py` is the watcher itself
as a desired and an observed state. `starts/` notices starts of programs, and `launches.py` ends the restricted programs
among them.
"""
