"""Program of a host that pulls the project by itself: two files, installed in the same directory."""
