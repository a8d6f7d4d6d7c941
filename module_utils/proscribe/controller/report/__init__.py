"""Reports of a run: the expected hosts reconciled with their answers, on the terminal and in files.

Controller side. The callback plugins collect and print; the decisions are here.
"""
