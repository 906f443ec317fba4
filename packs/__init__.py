"""Packs: videos decoded once, cut to size and laid one behind the other, so that a clip is one read."""
