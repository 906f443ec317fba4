"""Two processes (gloo) train like one process on the joined batch."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_modules.divergence import DivergedError
from losses.adaptive_augmentation import AdaptiveAugmentation
from losses.auxiliary_classifier import AuxiliaryClassifier
from losses.base import Draw, LossTerms
from losses.diff_augment import DiffAugment
from losses.dragan import DRAGAN
from losses.feature_matching import FeatureMatching
from losses.hinge import Hinge
from losses.historical_averaging import HistoricalAveraging
from losses.instance_noise import InstanceNoise
from losses.least_squares import LeastSquares
from losses.minimax import Minimax
from losses.non_saturating import NonSaturating
from losses.r1_r2 import R1, R2
from losses.r3gan import R3GAN
from losses.relativistic import RelativisticAverageLeastSquares
from losses.singular_value_clipping import SingularValueClipping
from losses.wasserstein import Wasserstein
from losses.weight_clipping import WeightClipping
from losses.wgan_gp import WGANGP
from networks.auxiliary_classifier import AuxiliaryClassifier as Classified
from networks.minibatch import MinibatchStandardDeviation
from networks.projection import Projection
from networks.spectral_norm import SpectralNorm
from tests.lightning_modules.test_video_gan import Recorder
from tests.lightning_modules.tiny import TinyDiscriminator, tiny_trainer, tiny_video_gan

STEPS = 6


def recipes() -> dict[str, dict[str, Any]]:
    """Objectives and techniques, made anew for each run."""
    torch.manual_seed(0)
    return {
        "wgan_gp": {"objective": WGANGP()},
        "non_saturating": {"objective": NonSaturating(terms={"r1": R1(1.0, interval=2), "r2": R2(1.0)})},
        "minimax": {"objective": Minimax(real_target=0.9)},
        "least_squares": {"objective": LeastSquares()},
        "hinge_dragan": {"objective": Hinge(terms={"dragan": DRAGAN()})},
        "weight_clipping": {"objective": Wasserstein(constraint=WeightClipping())},
        "singular_values": {"objective": Wasserstein(constraint=SingularValueClipping(interval=2))},
        # The last bias cancels out of the objective: its gradient is rounding, which Adam would make full steps of.
        "relativistic": {
            "objective": RelativisticAverageLeastSquares(),
            "generator_optimizer": partial(torch.optim.SGD, lr=0.1),
            "discriminator_optimizer": partial(torch.optim.SGD, lr=0.1),
        },
        "r3gan": {"objective": R3GAN(1.0, 0.1, decay_steps=4)},
        "feature_matching": {"objective": Hinge(terms={"features": FeatureMatching(1.0)})},
        "classifier": {
            "objective": Hinge(terms={"classes": AuxiliaryClassifier(1.0)}),
            "discriminator": Classified(TinyDiscriminator(), num_classes=2),
        },
        "projection_spectral": {
            "objective": Hinge(),
            "discriminator": SpectralNorm(Projection(TinyDiscriminator(), num_classes=2)),
        },
        "minibatch": {
            "objective": Hinge(),
            "discriminator": MinibatchStandardDeviation(TinyDiscriminator(), group_size=2),
        },
        "diff_augment": {"objective": NonSaturating(terms={"r1": R1(1.0)}), "augmentation": DiffAugment()},
        "ada": {
            "objective": NonSaturating(),
            "augmentation": AdaptiveAugmentation(initial_probability=0.5, interval=2, speed_clips=100),
        },
        "instance_noise": {"objective": NonSaturating(), "augmentation": InstanceNoise(0.1, decay_clips=100)},
        "historical_averaging": {
            "objective": NonSaturating(),
            "weight_terms": {"history": HistoricalAveraging(1.0)},
        },
        "accumulation": {"objective": WGANGP(), "gradient_accumulation": 2},
    }


class BreaksOnOneProcess(NonSaturating):
    """The discriminator's loss is not a number on the second process's clips only."""

    def discriminator_loss(self, discriminator, real, fake, labels, draw: Draw) -> LossTerms:  # type: ignore[no-untyped-def]
        terms = super().discriminator_loss(discriminator, real, fake, labels, draw)
        broken = os.environ.get("LOCAL_RANK") == "1" and draw.step == 2
        return LossTerms(terms.total * torch.nan, terms.named) if broken else terms


def train(recipe: dict[str, Any], folder: Path, num_processes: int) -> Recorder:
    recorder = Recorder()
    several = {"strategy": "ddp_find_unused_parameters_true", "devices": num_processes}
    trainer = tiny_trainer(folder, max_steps=STEPS, callbacks=[recorder], **(several if num_processes > 1 else {}))
    trainer.fit(tiny_video_gan(discriminator_steps=2, gradient_clip_norm=1.0, **recipe))
    return recorder


def run_script(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run this file as a script; Lightning starts the second process itself."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(folder), name]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.ddp
def test_two_processes_equal_one_on_the_joined_batch(tmp_path: Path) -> None:
    finished = run_script(tmp_path, "both")
    assert finished.returncode == 0, finished.stderr[-3000:]
    for name, recipe in recipes().items():
        one = train(recipe, tmp_path, num_processes=1).states
        two = [torch.load(tmp_path / f"{name}-{rank}.pt", weights_only=True) for rank in (0, 1)]
        assert len(one) == len(two[0]) == len(two[1]) == STEPS
        for step in range(STEPS):
            for key, value in one[step].items():
                if "times_called" not in key:
                    assert torch.equal(two[0][step][key], two[1][step][key]), (name, step, key)
                    same = torch.allclose(two[0][step][key], value, rtol=0, atol=1e-5)
                    assert same, (name, step, key, (two[0][step][key] - value).abs().max())


@pytest.mark.ddp
def test_all_processes_stop_when_one_has_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    finished = run_script(tmp_path, "broken")
    assert finished.returncode == 0, finished.stderr[-3000:]
    messages = [(tmp_path / f"stopped-{rank}").read_text() for rank in (0, 1)]
    assert messages[0] == messages[1]
    assert messages[0].startswith("step 3: discriminator loss, gradient_norm not finite")


def main(folder: Path, name: str) -> None:
    torch.set_num_threads(1)
    rank = os.environ.get("LOCAL_RANK", "0")
    if name == "broken":
        try:
            train({"objective": BreaksOnOneProcess()}, folder, num_processes=2)
        except DivergedError as error:
            (folder / f"stopped-{rank}").write_text(str(error))
        return
    for recipe_name, recipe in recipes().items():
        torch.save(train(recipe, folder, num_processes=2).states, folder / f"{recipe_name}-{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
