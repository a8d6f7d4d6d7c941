"""A plan's browser policies for Windows: a Group Policy object, its backup, and a file for the registry."""
