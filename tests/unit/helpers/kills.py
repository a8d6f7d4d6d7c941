"""A process that is killed between two of its changes to the disk."""

import os
import signal


def is_killed_at(step, work, calls):
    """Work in a process that is killed before its next of these calls of `os` after so many; tell whether it was."""
    child = os.fork()
    if not child:
        steps_left = [step]

        def make_deadly(call):
            def run(*arguments, **options):
                if not steps_left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
                steps_left[0] -= 1
                return call(*arguments, **options)

            return run

        try:
            for name in calls:
                setattr(os, name, make_deadly(getattr(os, name)))
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
