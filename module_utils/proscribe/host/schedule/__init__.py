"""Units that start runs automatically on a machine, and checks of the files of these runs."""
