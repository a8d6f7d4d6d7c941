"""Text for people: how things are worded, how lines are laid out on a terminal, how a command is printed. Pure, but for
the width of the screen.
"""
