"""Two processes (gloo) train like one process on the joined batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lightning_modules.video_gan import NonFiniteLossError
from losses.base import AdversarialObjective, Draw, LossTerms
from losses.non_saturating import NonSaturating
from losses.r1_r2 import R1
from losses.wgan_gp import WGANGP
from tests.lightning_modules.test_video_gan import Recorder
from tests.lightning_modules.tiny import tiny_trainer, tiny_video_gan

OBJECTIVES: dict[str, AdversarialObjective] = {
    "wgan_gp": WGANGP(),
    "non_saturating": NonSaturating(terms={"r1": R1(1.0, interval=2)}),
}
STEPS = 6


class BreaksOnOneProcess(NonSaturating):
    """The discriminator's loss is not a number on the second process's clips only."""

    def discriminator_loss(self, discriminator, real, fake, labels, draw: Draw) -> LossTerms:  # type: ignore[no-untyped-def]
        terms = super().discriminator_loss(discriminator, real, fake, labels, draw)
        broken = os.environ.get("LOCAL_RANK") == "1" and draw.step == 2
        return LossTerms(terms.total * torch.nan, terms.named) if broken else terms


def train(objective: AdversarialObjective, folder: Path, num_processes: int) -> Recorder:
    recorder = Recorder()
    several = {"strategy": "ddp_find_unused_parameters_true", "devices": num_processes}
    trainer = tiny_trainer(folder, max_steps=STEPS, callbacks=[recorder], **(several if num_processes > 1 else {}))
    trainer.fit(tiny_video_gan(objective, discriminator_steps=2, gradient_clip_norm=1.0))
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
    for name, objective in OBJECTIVES.items():
        one = train(objective, tmp_path, num_processes=1).states
        two = [torch.load(tmp_path / f"{name}-{rank}.pt", weights_only=True) for rank in (0, 1)]
        assert len(one) == len(two[0]) == len(two[1]) == STEPS
        for step in range(STEPS):
            for key, value in one[step].items():
                if "times_called" not in key:
                    assert torch.equal(two[0][step][key], two[1][step][key]), (name, step, key)
                    torch.testing.assert_close(two[0][step][key], value, rtol=0, atol=1e-5)


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
            train(BreaksOnOneProcess(), folder, num_processes=2)
        except NonFiniteLossError as error:
            (folder / f"stopped-{rank}").write_text(str(error))
        return
    for objective_name, objective in OBJECTIVES.items():
        torch.save(train(objective, folder, num_processes=2).states, folder / f"{objective_name}-{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
