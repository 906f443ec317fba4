"""Motion that tells which noise it came from."""

import torch.nn.functional as F
from torch import Tensor

from losses.base import DiscriminatorFunction, Draw, Judged, Term, precise


class MotionInformation(Term):
    """-mean cos(e_t, H(h_t, c_t)), for the generator (MoCoGAN-HD: Tian et al. 2021, arXiv:2104.15069, section 3.1).

    e_t is the noise of a frame, H a network of the generator that predicts it from the recurrent state: a lower bound
    of their mutual information, without which the motion network learns to ignore its noise.  The mean is over clips
    and frames.

    Args:
        weight: factor; 1 in the reference code.
        interval: as in `Term`; 1 in the paper.

    Shapes: intermediates "motion_noise" and "motion_noise_predicted", each (B, T - 1, F) -> a scalar over this
    process's clips.
    Raises: ValueError if the generator does not give them.
    """

    def generator_term(
        self, discriminator: DiscriminatorFunction, real: Judged | None, fake: Judged, draw: Draw
    ) -> Tensor:
        """See the class."""
        if "motion_noise_predicted" not in draw.intermediates:
            raise ValueError(
                "MotionInformation needs a generator that predicts its noise, such as LatentMotionGenerator"
            )
        noise = precise(draw.intermediates["motion_noise"])
        predicted = precise(draw.intermediates["motion_noise_predicted"])
        return -F.cosine_similarity(predicted, noise, dim=-1).mean()
