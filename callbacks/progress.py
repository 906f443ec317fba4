"""What a person sees of a run in the terminal."""

import sys
import time
from datetime import timedelta
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar as LightningProgressBar
from pytorch_lightning.callbacks import Timer
from tqdm import tqdm
from typing_extensions import override

from callbacks.throughput import counted_seconds

BAR_FORMAT = "{desc} {n_fmt}/{total_fmt} |{bar:20}| {percentage:3.0f}%{postfix}"
BAR_FORMAT_WITHOUT_TOTAL = "{desc} {n_fmt}{postfix}"
SHORT_NAMES = {"discriminator/loss": "D loss", "generator/loss": "G loss"}
TERMINAL_SECONDS, LOG_SECONDS = 0.5, 30.0


class ProgressBar(LightningProgressBar):
    """Steps done and to do, speed, time left, both losses and the newest FID and FVD.

        step 1200/5000 |████▊               |  24%, 38.2 steps/s, 0:01:40 left, D loss 0.693, G loss 1.21, fvd 812

    The bar counts training steps towards `max_steps`: training is one endless epoch, of which Lightning's own bars show
    no end.  Where output goes to a file instead of a terminal, a line like that is printed now and then.

    The speed is of the steps since the last refresh and leaves out measuring, sampling and saving; the time left
    includes them, as far as they have happened, and ends at `max_steps` or `max_time`, whichever comes first.

    Args:
        refresh_seconds: least time between two refreshes, above 0; None is half a second on a terminal and 30 seconds
            in a file.  The first and the last step are always shown.

    Raises: ValueError if `refresh_seconds` is not above 0.
    """

    def __init__(self, refresh_seconds: float | None = None) -> None:
        super().__init__()
        if refresh_seconds is not None and refresh_seconds <= 0:
            raise ValueError(f"ProgressBar.refresh_seconds is {refresh_seconds}; it must be above 0, or null")
        self.refresh_seconds = refresh_seconds
        self._enabled = True
        self._bar: tqdm | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether progress is shown; `LightningModule.print` asks."""
        return self._enabled

    def disable(self) -> None:
        """Show nothing from here on; Lightning calls it on all ranks but 0."""
        self._enabled = False

    def enable(self) -> None:
        """Show progress again."""
        self._enabled = True

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._first_step = self._shown_step = trainer.global_step
        self._start = self._shown_at = time.monotonic()
        self._counted = counted_seconds(trainer)
        self._speed_shown = "0 steps/s"
        if not self._enabled:
            return
        on_terminal = sys.stderr.isatty()
        self._interval = self.refresh_seconds or (TERMINAL_SECONDS if on_terminal else LOG_SECONDS)
        if on_terminal:
            total = trainer.max_steps if trainer.max_steps > 0 else None
            bar_format = BAR_FORMAT if total else BAR_FORMAT_WITHOUT_TOTAL
            self._bar = tqdm(
                desc="step", total=total, initial=self._first_step, bar_format=bar_format, dynamic_ncols=True
            )

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        is_first = self._shown_step == self._first_step
        if self._enabled and (is_first or time.monotonic() - self._shown_at >= self._interval):
            self._show(trainer)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._bar is not None or (self._enabled and trainer.global_step != self._shown_step):
            self._show(trainer)
        self._close()

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()

    def print(self, *args: Any, sep: str = " ", **_: Any) -> None:
        """Print a line without breaking the bar."""
        if self._enabled:
            tqdm.write(sep.join(map(str, args)), file=sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, trainer: Trainer) -> None:
        left = self._seconds_left(trainer)
        time_left = [] if left is None else [f"{timedelta(seconds=round(left))} left"]
        status = ", ".join([self._speed(trainer), *time_left, *newest_values(trainer)])
        self._shown_step, self._shown_at = trainer.global_step, time.monotonic()
        if self._bar is not None:
            self._bar.n = trainer.global_step
            self._bar.set_postfix_str(status)
        else:
            of_total = f"/{trainer.max_steps}" if trainer.max_steps > 0 else ""
            print(f"step {trainer.global_step}{of_total}, {status}", file=sys.stderr, flush=True)

    def _speed(self, trainer: Trainer) -> str:
        """Since the last refresh; the same as then if there was no step since."""
        num_steps = trainer.global_step - self._shown_step
        if num_steps:
            counted = counted_seconds(trainer)
            seconds = (counted - self._counted) / num_steps
            self._speed_shown = f"{1 / seconds:.3g} steps/s" if seconds < 1 else f"{seconds:.3g} s/step"
            self._counted = counted
        return self._speed_shown

    def _seconds_left(self, trainer: Trainer) -> float | None:
        """Until `max_steps` or `max_time`; None where neither is set or nothing is known yet."""
        timers = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]  # type: ignore[attr-defined]
        limits = [seconds for timer in timers if (seconds := timer.time_remaining()) is not None]
        num_steps = trainer.global_step - self._first_step
        if trainer.max_steps > 0 and num_steps:
            limits.append((trainer.max_steps - trainer.global_step) * (time.monotonic() - self._start) / num_steps)
        return max(0.0, min(limits)) if limits else None


def newest_values(trainer: Trainer) -> list[str]:
    """Both losses and the newest FID and FVD, as far as there are any."""
    values = trainer.callback_metrics
    losses = [f"{name} {float(values[key]):.3g}" for key, name in SHORT_NAMES.items() if key in values]
    measured = [key for key in values if key.startswith(("fid", "fvd"))]
    return losses + [f"{key.partition('/')[0]} {float(values[key]):.4g}" for key in measured]
