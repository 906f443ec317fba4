"""FID, FVD and the feature networks behind them."""
