"""Browser policies of a plan for Windows: a Group Policy object, its backup, and a file for the registry."""
