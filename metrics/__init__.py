"""FID, FVD and the feature networks behind them.

How a value comes about, on one process or, each line called by all of them with its own share of the clips, on many:

    network = EfficientNetLite0()                   # or InceptionV3Network(), I3DNetwork(): the published yardsticks
    cache = StatisticsCache()
    identity = cache.identity(network, data=fingerprint, split="train", num_clips=256, num_frames=16, seed=0)
    real = cache.get(identity, lambda: fit_gaussians(network, real_batches, device))    # computed once, then a file
    fake = fit_gaussians(network, fake_batches, device)                                 # batches: uint8 (N, C, T, H, W)
    value = real["fvd"].distance(fake["fvd"])
    card = MetricCard(key=fvd_key(256, 16, network), value=value, ...)
"""
