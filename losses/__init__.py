"""Adversarial objectives and penalties: the mathematics, one paper a file."""
