"""Proscribe: the ban on services, its enforcement, and the compliance of every host."""
