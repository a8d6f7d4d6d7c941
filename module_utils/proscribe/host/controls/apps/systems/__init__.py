"""The package systems, one file each: what is installed, what runs of it, how it is removed, how it is kept out.

package.py    what a package system answers, and the shape of such a file
registry.py   all of them
"""
