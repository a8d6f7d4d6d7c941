"""The formats, one file each: `FORMATS = (Format(...),)`, see ../declaration.py."""
