"""What a host runs that pulls the project by itself: two files, which it installs beside each other."""
