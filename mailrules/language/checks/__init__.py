"""What check.py asks of each kind of block: names, types, trust, templates; and what would be better otherwise."""
