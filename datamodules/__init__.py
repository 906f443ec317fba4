"""Which clip when, clips as tensors, LightningDataModules."""
