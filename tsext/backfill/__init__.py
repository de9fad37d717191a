"""Work on many rows, in pieces that are committed one by one."""
