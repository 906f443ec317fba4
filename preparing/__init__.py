"""From videos as people have them to packs; only prepare.py imports it."""
