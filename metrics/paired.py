"""PSNR and SSIM of each frame, for clips that should equal real ones: prediction, reconstruction, inpainting.

Both compare pixel with pixel.  They prefer a blurred mean of all futures to one sharp future that did not happen, and
see nothing of motion beyond what it does to single frames; LPIPS looks past the pixels, `best_of` past one sample.
"""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from metrics.clip_scores import ClipScore

FRAMES_PER_PASS = 16  # bounds the memory: SSIM holds about ten float64 copies of a pass
WINDOW_SIZE, WINDOW_SIGMA = 11, 1.5  # of SSIM


class PSNR(ClipScore):
    """Peak signal-to-noise ratio of each frame in decibels, in 0..cap.

        PSNR = 10 log10(255^2 / mean (fake - real)^2)        mean over the channels and pixels of a frame

    Computed by torchmetrics, frame by frame, from float64; equals `skimage.metrics.peak_signal_noise_ratio` with
    data_range=255 to 1e-6 dB (torchmetrics takes logarithms in float32).  A mean over frames is a mean of decibels,
    as in stochastic video prediction (Denton and Fergus 2018, arXiv:1802.07687), not the PSNR of the mean squared
    error, which is lower.

    Equal frames have an infinite PSNR, and with it every mean.  Most papers say nothing of it and have no such frames;
    code that is passed around returns 100 dB for them, libvmaf stops at 60 dB for 8 bits.  Here no frame counts more
    than `cap_decibels`.  At 100 it touches, up to 224 x 224 pixels in colour, nothing but equal frames: a difference
    of 1 in one value of one pixel is 99.9 dB there.  One equal frame of 16 still adds some 4 dB to a clip's mean:
    measure only the frames that were predicted, never those that were given.

    Args:
        cap_decibels: above 0.
    """

    name = "psnr"
    needs_real = True
    higher_is_better = True

    def __init__(self, cap_decibels: float = 100.0) -> None:
        if not cap_decibels > 0:
            raise ValueError(f"cap_decibels must be above 0; got {cap_decibels}.")
        self.cap_decibels = cap_decibels

    @property
    def settings(self) -> dict[str, Any]:
        """The cap; the mean is over decibels of single frames."""
        return {"cap_decibels": self.cap_decibels, "channels": "RGB, joined"}

    def score(self, fake: Tensor, real: Tensor | None) -> Tensor:
        """Decibels (N, T)."""
        assert real is not None
        passes = [
            peak_signal_noise_ratio(a, b, data_range=255.0, reduction="none", dim=(1, 2, 3))
            for a, b in zip(_passes(fake), _passes(real), strict=True)
        ]
        return _rows(passes, fake).clamp(max=self.cap_decibels)


class SSIM(ClipScore):
    """Structural similarity of each frame, in -1..1, 1 for equal frames (Wang et al. 2004, IEEE TIP 13(4), Eq. 13).

        SSIM = mean of (2 mu_x mu_y + C1) (2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (s_x^2 + s_y^2 + C2))

    Means, variances and covariance under a Gaussian window of 11 x 11 pixels with standard deviation 1.5;
    C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2; the mean is over the places where the whole window lies within the frame,
    and over the channels, each compared by itself.  The authors compare grey images, and their later program shrinks
    images of 384 pixels and more first; neither is done here.

    Own code: a mean under the window is two products with a matrix, one along the rows and one along the columns.
    torchmetrics' map is the same to 1e-12 in float64, but takes some forty times as long on a CPU, where it convolves
    with all 121 weights; and its mean takes in a border of 5 pixels where it reflects the frame.  Wang et al.,
    TensorFlow's `tf.image.ssim` and scikit-image leave that border out, and so does this.  Equals
    `skimage.metrics.structural_similarity` with gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    data_range=255 and channel_axis to 1e-12.  Its defaults are another number: a window of 7 x 7 pixels of equal
    weights and covariances over 48 instead of 49.  Old releases moreover take 2 for the range of floating point
    frames in [0, 1], which published tables of video prediction may have inherited.
    """

    name = "ssim"
    needs_real = True
    higher_is_better = True
    min_size = 11

    @property
    def settings(self) -> dict[str, Any]:
        """Window and channels."""
        return {"window": "Gaussian 11x11, sigma 1.5, inside the frame", "channels": "RGB, mean of each"}

    def score(self, fake: Tensor, real: Tensor | None) -> Tensor:
        """Similarities (N, T)."""
        assert real is not None
        return _rows([_ssim(a, b) for a, b in zip(_passes(fake), _passes(real), strict=True)], fake)


def _ssim(fake: Tensor, real: Tensor) -> Tensor:
    """Similarities (N,) of frames (N, C, H, W)."""
    down, across = _window_means(fake.shape[2]).to(fake), _window_means(fake.shape[3]).to(fake).T
    mean_fake, mean_real = down @ fake @ across, down @ real @ across  # (N, C, H - 10, W - 10)
    variances = down @ (fake.square() + real.square()) @ across - mean_fake.square() - mean_real.square()
    covariance = down @ (fake * real) @ across - mean_fake * mean_real
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    of_means = (2 * mean_fake * mean_real + c1) / (mean_fake.square() + mean_real.square() + c1)
    return (of_means * (2 * covariance + c2) / (variances + c2)).mean((1, 2, 3))


def _window_means(length: int) -> Tensor:
    """A matrix (length - 10, length), float64: each row is the window at one place of a row or column of pixels."""
    away = torch.arange(WINDOW_SIZE, dtype=torch.float64) - WINDOW_SIZE // 2
    window = torch.exp(-away.square() / (2 * WINDOW_SIGMA**2))
    places = torch.arange(length - WINDOW_SIZE + 1)[:, None] + torch.arange(WINDOW_SIZE)
    means = torch.zeros(len(places), length, dtype=torch.float64)
    return means.scatter_(1, places, (window / window.sum()).expand(len(places), -1))


def _passes(clips: Tensor) -> tuple[Tensor, ...]:
    """Frames float64 (n, C, H, W) of clips, the first clip's first, some at a time."""
    clips = clips if clips.device.type == "cuda" else clips.cpu()  # not every device has float64
    frames = clips.transpose(1, 2).flatten(0, 1)
    return tuple(each.double() for each in frames.split(FRAMES_PER_PASS))


def _rows(passes: list[Tensor], clips: Tensor) -> Tensor:
    """Numbers of frames, as they come out of `_passes`, as rows (N, T)."""
    return torch.cat(passes).view(len(clips), clips.shape[2])
