"""Weights & Biases as a dashboard that never stands in the way of training."""

import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_fabric.loggers.logger import _DummyExperiment
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from typing_extensions import override

from callbacks.wandb_record import RunRecord

if TYPE_CHECKING:
    from wandb import Run
    from wandb.sdk.lib import RunDisabled


class WandbDashboard(WandbLogger):
    """Logs a run to Weights & Biases: online where it can, else into files that `wandb sync` uploads later.

    The run is offline from the start if WANDB_MODE says so or there is no API key (in WANDB_API_KEY,
    WANDB_IDENTITY_TOKEN_FILE or .netrc).  If the server does not answer, or refuses the run, one line says so and the
    run goes on offline.  A server lost later costs about `finish_timeout` seconds at the end.  Everything is
    below <save_dir>/wandb, unless WANDB_DIR, WANDB_DATA_DIR or WANDB_CACHE_DIR say otherwise.

    wandb is imported, and the run begins, with the first thing that is logged, and on rank 0 only.  The x-axis of all
    charts is the training step, `trainer/global_step`.

    The run's id, and up to which step each chart has been logged, are kept in <save_dir>/wandb_run.json.  A run that is
    trained on in its folder goes on as the same W&B run, and what it logs a second time is left out.  Offline, each
    part has a folder of its own, and `wandb sync` joins them.

    W&B gets neither the arguments, the environment, the packages nor the git repository of the program: they may name
    secrets, and config.yaml has what a run is made of.

    Args:
        save_dir: the run's folder.
        project: of Weights & Biases; the variable WANDB_PROJECT goes before it.
        name: of the run; None has the last two parts of the run's folder, `wgan_gp/2026-01-31_09-30-00`.
        group: of runs that belong together, such as the seeds of one experiment.
        tags: of the run.
        id: of the run, one of the same id is gone on with; None takes WANDB_RUN_ID, that of the folder, or a new one.
        answer_timeout: seconds that the server has to answer at the start; above 0.
        finish_timeout: seconds that uploads have after the end of training; above 0.

    Raises: ValueError if a number of seconds is not above 0.
    """

    def __init__(
        self,
        save_dir: str | Path = ".",
        project: str = "kinogan",
        name: str | None = None,
        group: str | None = None,
        tags: list[str] | None = None,
        id: str | None = None,
        answer_timeout: float = 5.0,
        finish_timeout: float = 60.0,
    ) -> None:
        for argument, seconds in (("answer_timeout", answer_timeout), ("finish_timeout", finish_timeout)):
            if seconds <= 0:
                raise ValueError(f"WandbDashboard.{argument} is {seconds}; it must be above 0 seconds")
        super().__init__(
            name=name or "/".join(Path(save_dir).absolute().parts[-2:]),
            save_dir=save_dir,
            project=os.environ.get("WANDB_PROJECT", project),
            id=id,
            group=group,
            tags=tags,
        )
        self.answer_timeout = answer_timeout
        self.finish_timeout = finish_timeout
        self._is_interrupted = False
        self._record = RunRecord(Path(save_dir) / "wandb_run.json", id or os.environ.get("WANDB_RUN_ID"))

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        new = self._record.take_note(metrics, step)
        if new:
            with self._may_be_lost():
                super().log_metrics(new, step)

    @override
    @rank_zero_only
    def log_hyperparams(self, *arguments: Any, **named: Any) -> None:
        if isinstance(self.experiment, _DummyExperiment):  # W&B cannot be used
            return
        with self._may_be_lost():
            super().log_hyperparams(*arguments, **named)

    @override
    @rank_zero_only
    def log_video(self, *arguments: Any, **named: Any) -> None:
        if isinstance(self.experiment, _DummyExperiment):
            return
        with self._may_be_lost():
            super().log_video(*arguments, **named)

    @rank_zero_only
    def interrupt(self) -> None:
        """Tell the server that the run ends before its end: a sweep will hand it out again."""
        self._is_interrupted = True
        with self._may_be_lost():
            self.experiment.mark_preempting()

    @contextmanager
    def _may_be_lost(self, *others: type[Exception]) -> Iterator[None]:
        """Give W&B up, with a line, once it fails, as it does when SLURM sends SIGTERM to all processes of a job; or
        after another error, where one of `others` can only be its fault.
        """
        try:
            yield
        except Exception as error:
            if not isinstance(error, (ConnectionError, *others)) and not type(error).__module__.startswith("wandb."):
                raise
            self._experiment = _DummyExperiment()  # type: ignore[assignment]
            said = " ".join(str(error).split())
            print(f"W&B cannot be used any more ({said}); going on without it, metrics.csv has all", file=sys.stderr)

    @property
    @rank_zero_experiment
    def experiment(self) -> "Run | RunDisabled":
        """The wandb run; begins it when asked for the first time."""
        if self._experiment is None:
            with self._may_be_lost(OSError, ImportError):  # a folder that cannot be made, a package that is broken
                self._experiment = self._begin()
                self._experiment.define_metric("trainer/global_step")
                self._experiment.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        assert self._experiment is not None
        return self._experiment

    def _begin(self) -> "Run | RunDisabled":
        """A run online, else offline."""
        folder = Path(os.environ.get("WANDB_DIR") or self._save_dir or ".")
        folder.mkdir(parents=True, exist_ok=True)  # wandb would write to /tmp instead
        for variable in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):  # else below the home folder
            os.environ.setdefault(variable, str(folder / "wandb" / variable.split("_")[1].lower()))
        import wandb  # takes a third of a second

        mode, reason = wandb.setup().settings.mode, ""
        if mode in ("online", "run", "shared"):
            try:
                if wandb.login(prompt=False, verify=False):
                    expect_answer(wandb.setup().settings.base_url, self.answer_timeout)
                    return self._init(folder, mode)
            except (wandb.Error, OSError, HTTPException) as error:
                reason = "cannot be used online, " + str(error).partition("\n")[0] + "; "
                wandb.teardown()  # else the id of a run that was refused stays in use
            mode = "offline"
        run = self._init(folder, mode)
        if mode == "offline":  # one line, which a Python warning is not
            print(f"W&B: {reason}logging to files, upload with: wandb sync {Path(run.dir).parent}", file=sys.stderr)
        return run

    @override
    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run when training ends: what is logged is on disk before the process goes on."""
        super().finalize(status)
        if self._experiment is not None:
            is_whole = status == "success" and not self._is_interrupted
            with self._may_be_lost():
                self._experiment.finish(exit_code=0 if is_whole else 1)

    def _init(self, folder: Path, mode: str) -> "Run | RunDisabled":
        import wandb

        settings = wandb.Settings(
            init_timeout=self.answer_timeout,
            finish_timeout=self.finish_timeout,
            silent=mode == "offline",
            disable_git=True,
            disable_code=True,
            x_disable_meta=True,
            x_save_requirements=False,
        )
        self._wandb_init["id"] = self._record.begin()
        if mode != "online":
            self._wandb_init.pop("resume", None)  # offline there is nothing to ask
        given = {name: value for name, value in self._wandb_init.items() if value is not None}
        return wandb.init(**{**given, "dir": str(folder), "mode": mode, "settings": settings})


def expect_answer(url: str, timeout: float) -> None:
    """Ask a web server for anything; any answer will do, also a refusal.

    wandb itself waits 10 seconds longer than it is told to, and as long again when the process ends.

    Raises: OSError or HTTPException if there is no answer within `timeout` seconds.
    """
    try:
        urllib.request.urlopen(url, timeout=timeout).close()
    except urllib.error.HTTPError:
        return
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLError):  # wandb may know a certificate that Python does not
            raise OSError(f"{url} does not answer ({error.reason})") from error
    except TimeoutError as error:
        raise OSError(f"{url} does not answer within {timeout:g} seconds") from error
