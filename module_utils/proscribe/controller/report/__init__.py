"""Reports of a run: the expected hosts reconciled with their answers, on the terminal and in files.

Controller side, pure but for `files`. The callback plugins collect and print; everything that decides is here.
"""
