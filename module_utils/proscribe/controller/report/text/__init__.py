"""Text for readers: wording, layout on a terminal, and commands. Pure, but for the width of the screen."""
