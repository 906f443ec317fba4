"""train.py, killed or told to stop at a named point: python -m tests.killing POINT COUNT ARGUMENTS.

COUNT says the how-many-th time the point is reached.  Nothing of this is in the program itself: the functions are
wrapped from outside.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

# Where, before or after the call, and which signal.
POINTS = {
    "after the discriminator's update": (
        "lightning_modules.video_gan", "VideoGAN.after_discriminator_step", "before", "SIGKILL",
    ),
    "between the players": ("lightning_modules.video_gan", "VideoGAN.after_discriminator_step", "after", "SIGKILL"),
    "after the generator's update": (
        "lightning_modules.video_gan", "VideoGAN.after_generator_step", "before", "SIGKILL",
    ),
    "before a checkpoint": ("callbacks.checkpoint_files", "CheckpointFiles.save_checkpoint", "before", "SIGKILL"),
    "in the payload": ("callbacks.checkpoint_files", "torch.save", "after", "SIGKILL"),
    "before the mark": ("tensor_files.committed", "sha256_of", "before", "SIGKILL"),
    "before a rename": ("tensor_files.whole_files", "Path.replace", "before", "SIGKILL"),
    "after a rename": ("tensor_files.whole_files", "Path.replace", "after", "SIGKILL"),
    "after a checkpoint": ("callbacks.checkpoint_files", "CheckpointFiles.save_checkpoint", "after", "SIGKILL"),
    "while deleting": ("callbacks.checkpoints", "delete", "before", "SIGKILL"),
    "half deleted": ("tensor_files.committed", "withdraw_mark", "after", "SIGKILL"),
    "after deleting": ("callbacks.checkpoints", "delete", "after", "SIGKILL"),
    "while a row is written": ("callbacks.metrics_csv", "as_lines", "after", "SIGKILL"),
    "before loading": ("callbacks.checkpoint_files", "load_checkpoint", "before", "SIGKILL"),
    "while loading": ("callbacks.checkpoint_files", "load_checkpoint", "after", "SIGKILL"),
    "SIGTERM": ("lightning_modules.video_gan", "VideoGAN.after_discriminator_step", "after", "SIGTERM"),
    "SIGINT": ("lightning_modules.video_gan", "VideoGAN.after_discriminator_step", "after", "SIGINT"),
    "SIGINT while starting": ("lightning_modules.video_gan", "VideoGAN.configure_optimizers", "after", "SIGINT"),
    "SIGUSR1": ("lightning_modules.video_gan", "VideoGAN.after_discriminator_step", "after", "SIGUSR1"),
}  # fmt: skip


def arm(point: str, count: int) -> None:
    """Wrap the function of a point so that its `count`-th call sends the signal to this process."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it in what it starts in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    module_name, path, when, number = POINTS[point]
    owner: Any = importlib.import_module(module_name)
    *inner, name = path.split(".")
    for each in inner:
        owner = getattr(owner, each)
    setattr(owner, name, wrapped(getattr(owner, name), count, when, signal.Signals[number]))


def wrapped(function: Callable[..., Any], count: int, when: str, number: signal.Signals) -> Callable[..., Any]:
    calls = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and when == "before":
            os.kill(os.getpid(), number)
        result = function(*args, **kwargs)
        if calls == count and when == "after":
            os.kill(os.getpid(), number)
        return result

    return call


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    from train import main

    sys.exit(main(sys.argv[3:]))
