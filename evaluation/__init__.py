"""From videos, or a run that makes them, to numbers with their cards, and a page to look at."""
