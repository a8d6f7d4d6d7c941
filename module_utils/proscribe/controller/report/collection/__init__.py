"""Collection while a run goes on: the answers of hosts, the command line, and the progress. Controller side."""
