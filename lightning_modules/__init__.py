"""The training algorithms: who is updated when."""
