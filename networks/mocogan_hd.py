"""MoCoGAN-HD (Tian et al. 2021, arXiv:2104.15069): a motion network that walks through a frozen image generator's w."""

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Discriminator, Generator, Judgement, Latents, Synthesis, View, in_float32, pick_frames
from networks.stylegan2 import ImageGenerator
from tensor_files.loading import load_checkpoint
from tensor_files.starting_points import are_needed

AVERAGE = "generator_ema.average."  # where a checkpoint of a run keeps the generator that makes its samples
PCA_SEED = 0


class LatentMotionGenerator(Generator):
    """An LSTM that moves w along the principal directions of a trained image generator (arXiv:2104.15069, section 3.1).

    w_1 = map(z);  h_1, c_1 = LSTM_enc(w_1);  h_t, c_t = LSTM(e_t, (h_{t-1}, c_{t-1}));
    w_t = w_{t-1} + step_size * tanh(A h_t + b) diag(sigma) V;  frame_t = synthesis(w_t).

    | layer | out, at the default size |
    |---|---|
    | mapping of the image generator | 512 |
    | LSTM cells, 512 -> 384 | 384 each, for frames 1 and 2..16 |
    | Linear 384 -> 384, tanh, along V (384, 512) | 512 each |
    | synthesis of the image generator, frame by frame | 3, 16, 64, 64 |
    | predictor: Linear 768 -> 512, ReLU, Linear 512 -> 512 | 512 each, for frames 2..16 |

    V and sigma are the principal directions of w and their standard deviations, from w of a fixed seed (1 million in
    the reference code).  The image generator is frozen, and in evaluation mode for ever.  The predictor guesses e_t
    from h_t and c_t for `losses.motion_information.MotionInformation`.  3,562,880 parameters learn at the default size
    (589,824 of them, the recurrent weights of LSTM_enc, have no effect: it starts from zeros, as in the reference
    code).

    A class enters through the image generator's mapping alone.  Truncation pulls every w_t towards the mean of w.

    Args:
        image_generator: of the sizes that the checkpoint has.
        image_checkpoint: a checkpoint of a run that trained it; its moving average is taken.
        num_frames: T of training, at least 1; any other can be made.
        hidden_dim: length of h_t and c_t; 384 in the reference code.
        num_components: principal directions kept; 384 of 512 in the reference code.
        step_size: 0.2 in the reference code.
        num_pca_samples: w's from which V and sigma are taken; more than w is long.

    Shapes: latents {"z": (B, latent_dim), "motion_noise": (B, T - 1, w_dim)}, labels (B,) ->
        (B, channels, T, size, size) in [-1, 1]; intermediates "motion_noise" and "motion_noise_predicted",
        (B, T - 1, w_dim).
    Raises: ValueError if there is no such checkpoint, if it holds another generator, or if a number is out of range.
    """

    any_num_frames = True

    def __init__(
        self,
        image_generator: ImageGenerator,
        image_checkpoint: str | None = None,
        num_frames: int = 16,
        hidden_dim: int = 384,
        num_components: int = 384,
        step_size: float = 0.2,
        num_pca_samples: int = 20_000,
    ) -> None:
        super().__init__(num_frames, image_generator.size, image_generator.channels, image_generator.num_classes)
        self.checked_num_frames(num_frames)
        self.image_generator = loaded_average(image_generator, image_checkpoint).requires_grad_(False).eval()
        w_dim = image_generator.w_dim
        if not 1 <= num_components <= w_dim < num_pca_samples:
            raise ValueError(
                f"num_components is {num_components}, num_pca_samples {num_pca_samples}; with w of length {w_dim} "
                f"the one must be at most {w_dim}, the other more"
            )
        self.step_size = step_size
        self.register_buffer("directions", principal_directions(image_generator, num_components, num_pca_samples))
        self.directions: Tensor
        self.first_cell = nn.LSTMCell(w_dim, hidden_dim)
        self.cell = nn.LSTMCell(w_dim, hidden_dim)
        self.to_components = nn.Linear(hidden_dim, num_components)
        self.predict_noise = nn.Sequential(
            nn.Linear(2 * hidden_dim, w_dim), nn.ReLU(), nn.Linear(w_dim, w_dim)
        )  # H of the paper
        self.init_weights()

    def init_weights(self) -> None:
        """The reference code's initialisation: orthogonal, each gate on its own; A from N(0, 0.02^2); biases 0."""
        for cell in (self.first_cell, self.cell):
            for name, parameter in cell.named_parameters():
                if "bias" in name:
                    nn.init.zeros_(parameter)
                else:
                    for gate in parameter.chunk(4):
                        nn.init.orthogonal_(gate)
        for layer in self.predict_noise:
            if isinstance(layer, nn.Linear):
                nn.init.orthogonal_(layer.weight)
        nn.init.normal_(self.to_components.weight, std=0.02)
        nn.init.zeros_(self.to_components.bias)

    def train(self, mode: bool = True) -> "LatentMotionGenerator":
        """The motion network changes its mode, the image generator does not."""
        super().train(mode)
        self.image_generator.eval()
        return self

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z ~ N(0, I), (num_videos, latent_dim), and e_t ~ N(0, I) for frames 2..T, (num_videos, T - 1, w_dim)."""
        num_steps = self.checked_num_frames(num_frames) - 1
        return {
            "z": torch.randn(num_videos, self.image_generator.latent_dim, generator=rng),
            "motion_noise": torch.randn(num_videos, num_steps, self.image_generator.w_dim, generator=rng),
        }

    def truncate(self, latents: Latents, psi: float) -> Latents:
        """Pull every w_t towards the mean of w."""
        return self.image_generator.truncate(latents, psi)

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class."""
        return self.synthesize(latents, labels).videos

    def synthesize(self, latents: Latents, labels: Tensor | None = None) -> Synthesis:
        """See the class."""
        noise = latents["motion_noise"]
        with in_float32(noise):  # the path adds up many small steps
            path, states = self.path(self.image_generator.map(latents["z"], labels), noise)
            predicted = self.predict_noise(torch.stack(states, dim=1)) if states else noise  # (B, T - 1, w_dim)
        w = torch.cat(path)  # (T * B, w_dim)
        psi = latents.get("truncation")
        w = self.image_generator.mapping.truncated(w, None if psi is None else psi.repeat(len(path)))
        frames = self.image_generator.synthesize_frames(w)  # (T * B, C, H, W)
        videos = frames.unflatten(0, (len(path), -1)).movedim(0, 2)  # (B, C, T, H, W)
        videos = videos if self.training else videos.clamp(-1, 1)
        return Synthesis(videos, {"motion_noise": noise, "motion_noise_predicted": predicted})

    def path(self, w: Tensor, noise: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """w_1 (B, w_dim), noise (B, T - 1, w_dim) -> w_1..w_T, and [h_t; c_t] for frames 2..T."""
        path, states = [w], []
        h, c = self.first_cell(w)
        for each in noise.unbind(1):
            h, c = self.cell(each, (h, c))
            components = torch.tanh(self.to_components(h))
            path.append(path[-1] + self.step_size * components @ self.directions)
            states.append(torch.cat([h, c], dim=1))
        return path, states


class MoCoGANHDDiscriminator(Discriminator):
    """Patch discriminators of pairs of the first and another frame (arXiv:2104.15069, sections 3.2 and 3.3).

    The video discriminator sees all pairs in time, the image discriminator the first frame and one other, both at two
    scales, the second of them half as large.  Four heads: video, small video, image, small image.

    | layer | video | small video | image | small image | (16 frames of 64x64) |
    |---|---|---|---|---|---|
    | pairs | 6, 15, 64, 64 | 6, 15, 32, 32 | 6, 64, 64 | 6, 32, 32 |
    | Conv k4 s2 6 -> 64, LeakyReLU | 64, 8, 33, 33 | 64, 8, 17, 17 | 64, 33, 33 | 64, 17, 17 |
    | Conv k4 s2 64 -> 128, IN, LeakyReLU | 128, 5, 17, 17 | 128, 5, 9, 9 | 128, 17, 17 | 128, 9, 9 |
    | Conv k4 s2 128 -> 256, IN, LeakyReLU | 256, 3, 9, 9 | 256, 3, 5, 5 | 256, 9, 9 | 256, 5, 5 |
    | Conv k4 256 -> 512, IN, LeakyReLU | 512, 4, 10, 10 | 512, 4, 6, 6 | 512, 10, 10 | 512, 6, 6 |
    | Conv k4 512 -> 1 | 1, 5, 11, 11 | 1, 5, 7, 7 | 1, 11, 11 | 1, 7, 7 |

    All paddings are 2.  11,068,353 parameters for each scale of videos and 2,767,809 for each of images: 27,672,324.
    The smaller scale is an average over 3x3x3 pixels; above 16 pairs it has half the time, too.  IN is instance norm
    without running statistics: those of the reference code are used in evaluation only, where they would judge a clip
    by others.  The reference code takes one random frame for the whole batch, here each clip has its own; and it
    reverses the time of half of the batches, which is left out: it would teach motions to run backwards.  The
    cross-domain variant, with its contrastive image discriminator, is not here.

    Args:
        num_frames: T, at least 2.
        channels: 3 for RGB.
        base_channels: channels after the first layer; 64 in the paper.

    Shapes: (B, channels, num_frames, H, W), view {"image_frames": (B, 1)} -> four heads, one logit a patch.  Features
        are the last hidden activations, averaged over positions.
    Raises: ValueError if num_frames is below 2, or if the view is missing.
    """

    def __init__(self, num_frames: int = 16, channels: int = 3, base_channels: int = 64) -> None:
        super().__init__()
        if num_frames < 2:
            raise ValueError(f"num_frames is {num_frames}; MoCoGANHDDiscriminator compares frames, so it needs 2")
        self.num_frames = num_frames
        self.video = PatchDiscriminator(3, 2 * channels, base_channels)
        self.small_video = PatchDiscriminator(3, 2 * channels, base_channels)
        self.image = PatchDiscriminator(2, 2 * channels, base_channels)
        self.small_image = PatchDiscriminator(2, 2 * channels, base_channels)
        self.num_features = (base_channels * 8,) * 4

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        """Which frame, from the second on, is seen beside the first: "image_frames", (num_clips, 1)."""
        return {"image_frames": torch.randint(1, self.num_frames, (num_clips, 1), generator=rng)}

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class; labels are not used."""
        if view is None:
            raise ValueError("MoCoGANHDDiscriminator needs a view: which frame to compare with the first")
        first = seen[:, :, :1]
        pairs = torch.cat([first.expand_as(seen[:, :, 1:]), seen[:, :, 1:]], dim=1)  # (B, 2C, T - 1, H, W)
        small_pairs = F.avg_pool3d(pairs, 3, self.small_strides, padding=1, count_include_pad=False)
        pair = pick_frames(pairs, view["image_frames"] - 1).squeeze(2)  # (B, 2C, H, W)
        small_pair = F.avg_pool2d(pair, 3, stride=2, padding=1, count_include_pad=False)
        judged = [self.video(pairs), self.small_video(small_pairs), self.image(pair), self.small_image(small_pair)]
        return Judgement(tuple(logits for logits, _ in judged), tuple(features for _, features in judged))

    @property
    def small_strides(self) -> tuple[int, int, int]:
        """Of time, height and width, on the way to the smaller scale of videos."""
        return (2 if self.num_frames - 1 > 16 else 1, 2, 2)


class PatchDiscriminator(nn.Module):
    """Five convolutions k4 p2, the first three of stride 2, to a map of logits (Isola et al. 2017, arXiv:1611.07004).

    Args:
        num_axes: 3 for clips, 2 for images.
        inputs: input channels.
        base_channels: channels after the first layer.

    Shapes: (B, inputs, ...) -> logits (B, ...), features (B, 8 * base_channels).
    """

    def __init__(self, num_axes: int, inputs: int, base_channels: int) -> None:
        super().__init__()
        conv, norm = (nn.Conv3d, nn.InstanceNorm3d) if num_axes == 3 else (nn.Conv2d, nn.InstanceNorm2d)
        layers: list[nn.Module] = [conv(inputs, base_channels, kernel_size=4, stride=2, padding=2), nn.LeakyReLU(0.2)]
        # All have a bias, which the norm takes away, because the reference code's have.
        for widening, stride in ((2, 2), (4, 2), (8, 1)):
            width = base_channels * widening
            layers += [conv(width // 2, width, kernel_size=4, stride=stride, padding=2), norm(width), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.to_logits = conv(base_channels * 8, 1, kernel_size=4, padding=2)
        for module in self.modules():
            if isinstance(module, conv):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, videos: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        features = self.layers(videos)
        return self.to_logits(features).squeeze(1), features.flatten(2).mean(dim=2)


def loaded_average(generator: ImageGenerator, checkpoint: str | None) -> ImageGenerator:
    """The generator with the weights of a run's moving average; as it is where those come with the own checkpoint.

    Raises: ValueError if there is no such checkpoint, or if it holds another generator.
    """
    if not are_needed():
        return generator
    if checkpoint is None:
        raise ValueError(
            "image_checkpoint is missing: train conf/stylegan_image.yaml first, then give "
            "--model.generator.image_checkpoint RUN/checkpoints/last.ckpt"
        )
    if not Path(checkpoint).is_file():
        raise ValueError(f"image_checkpoint is {checkpoint}; there is no such file")
    weights = load_checkpoint(checkpoint)["state_dict"]
    own = {name.removeprefix(AVERAGE): value for name, value in weights.items() if name.startswith(AVERAGE)}
    try:
        generator.load_state_dict(own)
    except RuntimeError as error:
        raise ValueError(
            f"image_checkpoint {checkpoint} does not hold the image_generator that is configured "
            f"({' '.join(str(error).split())[:200]})"
        ) from error
    return generator


@torch.no_grad()
def principal_directions(generator: ImageGenerator, num_components: int, num_samples: int) -> Tensor:
    """diag(sigma) V of w, (num_components, w_dim): rows of falling length, each with its largest entry positive.

    Zeros where they come with the own checkpoint.
    """
    if not are_needed():
        return torch.zeros(num_components, generator.w_dim)
    rng = torch.Generator().manual_seed(PCA_SEED)
    z = torch.randn(num_samples, generator.latent_dim, generator=rng)
    labels = torch.randint(generator.num_classes, (num_samples,), generator=rng) if generator.num_classes else None
    w = generator.map(z, labels).double()
    variances, vectors = torch.linalg.eigh(torch.cov(w.T))  # ascending, vectors in columns
    vectors = vectors.flip(1)[:, :num_components].T
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    stdevs = variances.flip(0)[:num_components].clamp_min(0).sqrt()
    return cast(Tensor, (vectors * largest.sign() * stdevs.unsqueeze(1)).float())
