"""Generators, discriminators and their layers: plain torch modules, one paper's family a file."""
