"""What cannot work in a VideoGAN is said in one line, before the first step."""

import warnings
from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import nn

from lightning_modules.randomness import EVALUATION, torch_generator
from lightning_modules.update import Augment, Judge, Update
from losses.base import BATCH_NORMS, LossTerms

if TYPE_CHECKING:
    from lightning_modules.video_gan import VideoGAN

PRECISIONS = ("32-true", "bf16-mixed")


def check_arguments(
    discriminator_steps: int, generator_steps: int, gradient_accumulation: int, truncation: float, seed: int
) -> None:
    """Raise a ValueError for what is out of its range."""
    for name, number in (
        ("discriminator_steps", discriminator_steps),
        ("generator_steps", generator_steps),
        ("gradient_accumulation", gradient_accumulation),
    ):
        if number < 1:
            raise ValueError(f"{name} is {number}; it must be at least 1")
    if discriminator_steps > 1 and generator_steps > 1:
        raise ValueError(
            f"discriminator_steps is {discriminator_steps} and generator_steps {generator_steps}; one of them must be 1"
        )
    if not 0 < truncation <= 1:
        raise ValueError(f"truncation is {truncation}; it must be above 0 and at most 1, which truncates nothing")
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be at least 0")


def check_limits(gradient_clip_norm: float | None, divergence_limit: float) -> None:
    """Raise a ValueError for what is out of its range."""
    if gradient_clip_norm is not None and gradient_clip_norm <= 0:
        raise ValueError(f"gradient_clip_norm is {gradient_clip_norm}; it must be above 0, or null for none")
    if not divergence_limit > 0:
        raise ValueError(f"divergence_limit is {divergence_limit}; it must be above 0, or .inf for none")


def check_precision(trainer: Trainer) -> None:
    """Refuse a precision whose losses could not be trusted.

    float16 is scaled, which would hide what is not finite; weights in bfloat16 lose small updates.
    """
    if str(trainer.precision) not in PRECISIONS:
        raise MisconfigurationException(
            f"trainer.precision is {trainer.precision}; it must be {' or '.join(PRECISIONS)}"
        )


def check_data(module: "VideoGAN", trainer: Trainer) -> None:
    """Refuse clips of another shape, more classes than a player knows, and batches that cannot be divided."""
    datamodule = getattr(trainer, "datamodule", None)
    given = getattr(datamodule, "video_shape", module.video_shape)
    if tuple(given) != module.video_shape:
        raise MisconfigurationException(
            f"the data gives clips of (C, T, H, W) = {tuple(given)}, the generator makes {module.video_shape}; "
            "set data.num_frames and data.size as the generator's num_frames and size"
        )
    num_classes = len(getattr(datamodule, "class_names", ()))
    for name, player in (("generator", module.generator), ("discriminator", module.discriminator)):
        if 0 < player.num_classes < num_classes:
            raise MisconfigurationException(
                f"the data has {num_classes} classes, the {name} knows {player.num_classes}; "
                f"set model.{name}.num_classes {num_classes}"
            )
    share = getattr(datamodule, "batch_size", 0) // trainer.world_size
    if share % module.gradient_accumulation:
        raise MisconfigurationException(
            f"gradient_accumulation is {module.gradient_accumulation}; it must divide the {share} clips that each "
            "process gets of a batch"
        )


def check_losses(module: "VideoGAN") -> None:
    """Have copies of both players go through both losses with one grey clip.

    Refuses a discriminator that is made for another shape, and an objective that contradicts it or asks for what one of
    the players does not give; warns of what is dubious.
    """
    generator, discriminator = deepcopy(module.generator).eval(), deepcopy(module.discriminator).eval()
    update = grey_update(module)
    with torch.no_grad():
        try:
            opinion = discriminator(discriminator.look(update.clips, update.view), update.labels, update.view)
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise MisconfigurationException(
                f"{type(discriminator).__name__} cannot judge videos of (C, T, H, W) = {module.video_shape}, which "
                f"the generator makes ({reason}); give both the same num_frames and size"
            ) from error
    try:
        module.objective.check(module.discriminator)
        fake, intermediates = update.fake_seen_by(discriminator, generator)
        real, judge = discriminator.look(update.clips, update.view), Judge(discriminator, update, augment_of(module))
        draw = update.draw(intermediates)
        terms = {
            "discriminator": module.objective.discriminator_loss(judge, real, fake.detach(), update.labels, draw),
            "generator": module.objective.generator_loss(judge, real, fake, update.labels, draw),
        }
    except (ValueError, RuntimeError, IndexError) as error:
        raise MisconfigurationException(str(error).partition("\n")[0]) from error
    for player, term in terms.items():
        if not term.total.isfinite():
            raise MisconfigurationException(
                f"the {player}'s loss is not finite even for a grey clip, before any training: {named_values(term)}"
            )
    if module.generator.num_classes > 0 and module.discriminator.num_classes == 0 and opinion.class_logits is None:
        warnings.warn(
            "the generator has classes, the discriminator has neither classes nor a classifier: nothing teaches the "
            "generator what its labels mean",
            stacklevel=2,
        )
    if module.gradient_accumulation > 1 and has_batch_norm(module):
        warnings.warn(
            "gradient_accumulation with batch norm: its statistics are those of a part of the batch", stacklevel=2
        )


def augment_of(module: "VideoGAN") -> Augment | None:
    """The augmentation with random numbers of its own.

    Raises: ValueError if it adapts to the signs of logits that have no meaning.
    """
    augmentation = module.augmentation
    if augmentation is None:
        return None
    if augmentation.adapts and module.objective.undecided is None:
        raise ValueError(
            f"{type(augmentation).__name__} adapts to how many real clips the discriminator takes for real, which the "
            f"logits of {type(module.objective).__name__} do not tell; take DiffAugment, or another objective"
        )
    noise = augmentation.sample_noise(1, torch_generator(module.seed, 0, 0, EVALUATION))
    augmented = deepcopy(augmentation)
    return lambda seen, call, rows: augmented(seen, {name: value.to(seen.device) for name, value in noise.items()})


def named_values(terms: LossTerms) -> str:
    """The terms of a loss in words."""
    return ", ".join(f"{name} {float(value):.3g}" for name, value in terms.named.items())


def grey_update(module: "VideoGAN") -> Update:
    """An update of one grey clip of the data's last class, with random numbers of its own."""
    clips = torch.zeros(1, *module.video_shape, device=module.device)
    datamodule = getattr(module.trainer, "datamodule", None)
    last_class = max(0, len(getattr(datamodule, "class_names", ())) - 1)
    labels = torch.full((1,), last_class, dtype=torch.int64, device=module.device)
    rng = torch_generator(module.seed, 0, 0, EVALUATION)
    drawn = [
        {name: values.to(module.device) for name, values in sample(1, rng).items()}
        for sample in (
            module.generator.sample_latents,
            module.discriminator.sample_view,
            module.objective.sample_noise,
        )
    ]
    latents = {**drawn[0], **module.generator.condition_on(clips)}
    return Update("discriminator", 0, 0, clips, labels, latents, drawn[1], drawn[2], slice(0, 1))


def has_batch_norm(module: nn.Module) -> bool:
    """Whether any layer normalises over the batch."""
    return any(isinstance(each, BATCH_NORMS) for each in module.modules())
