"""When to measure, what to show, what to save."""
