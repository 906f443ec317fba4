"""From the command line to a built experiment, its own folder, and a summary at the end."""
