"""The proof that runs survive: `python -m tests.reliability` kills, fills, damages, attacks, and counts."""
