"""The formats, one file each: `FORMAT = Format(...)`, see ../declaration.py."""
