import math
import re
from pathlib import Path

import pytest
import torch

from lightning_modules.divergence import DivergedError, refuse_diverged
from tests.lightning_modules.tiny import tiny_trainer, tiny_video_gan


def test_what_is_in_order_passes() -> None:
    refuse_diverged("generator", 1, {"loss": -10.0, "gradient_norm": 10.0}, limit=10.0)
    refuse_diverged("generator", 1, {"loss": 1e30}, limit=math.inf)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"loss": 1.0, "r1": -2e7, "gradient_norm": 12345678.0}, "r1 -2e+07, gradient_norm 1.23e+07 above model."),
        ({"loss": math.nan, "r1": 2e7}, "loss not finite; stopped before the critic's weights changed"),
        ({"loss": 1.0, "r1": -math.inf}, "r1 not finite; stopped"),
    ],
)
def test_what_is_not_is_named(values: dict[str, float], said: str) -> None:
    with pytest.raises(DivergedError, match=f"^step 7: critic {re.escape(said)}") as caught:
        refuse_diverged("critic", 7, values, limit=1e6)
    assert caught.value.step == 7


def test_infinity_is_refused_where_there_is_no_limit() -> None:
    with pytest.raises(DivergedError, match="loss not finite"):
        refuse_diverged("critic", 7, {"loss": math.inf}, limit=math.inf)


def test_training_stops_before_weights_change(tmp_path: Path) -> None:
    module = tiny_video_gan(divergence_limit=1e-9)
    before = {name: value.clone() for name, value in module.discriminator.state_dict().items()}
    with pytest.raises(DivergedError, match=r"step 1: discriminator loss .* above model.divergence_limit 1e-09"):
        tiny_trainer(tmp_path, max_steps=3).fit(module)
    assert all(
        torch.equal(value, before[name]) for name, value in module.discriminator.state_dict().items() if "layer" in name
    )
