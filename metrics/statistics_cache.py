"""Statistics of real clips are computed once: a cache of files, one per data set, protocol and feature network."""

import hashlib
import json
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import Tensor

from metrics.cache_folder import cache_folder
from metrics.feature_network import FeatureNetwork
from metrics.feature_statistics import Gaussian

FORMAT = 2  # of the files
Statistics = Mapping[str, Gaussian | Tensor]  # by the name of the features; a tensor (N, D) is all of them


class StatisticsCache:
    """Files `<sha256 of the identity>.pt` in a folder.

    The identity is all that decides the statistics: whatever the caller says of data and protocol (fingerprint, split,
    number and length of clips, stride, size, seed) and the feature network with the digest of its weights, see
    `identity`.  Another identity is another file, so nothing is ever out of date.  A file that cannot be read or
    written costs a warning and the computation, never a run.

    Args:
        folder: None for `cache_folder("statistics")`; made when needed.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else cache_folder("statistics")

    @staticmethod
    def identity(network: FeatureNetwork, unbiased: bool = True, **protocol: Any) -> dict[str, Any]:
        """Identity of statistics of real clips: the network's part and `protocol`, plain JSON values.

        `unbiased` as `fit_gaussians` gets it.
        """
        return {
            "feature_network": network.name,
            "weights_sha256": network.weights_sha256,
            "resize": network.resize,
            "num_features": network.num_features,
            "unbiased": unbiased,
            **protocol,
        }

    def path(self, identity: dict[str, Any]) -> Path:
        """The file of these statistics, whether it exists or not."""
        text = json.dumps({"format": FORMAT, **identity}, sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.pt"

    def get(self, identity: dict[str, Any], compute: Callable[[], Statistics]) -> Statistics:
        """The statistics from their file, else `compute()`, written for the next time.

        A collective call where several processes run; `compute` is then called by all or by none.
        """
        found = self.find(identity)
        if found is None:
            found = compute()
            self.keep(identity, found)
        return found

    def find(self, identity: dict[str, Any]) -> Statistics | None:
        """The statistics from their file, if there is one.

        A collective call where several processes run: the first process looks and reads, and all get the same, also
        where they do not share a disk.
        """
        found = self.read(self.path(identity)) if _is_first() else None
        if not _several_processes():
            return found
        message = [found]
        torch.distributed.broadcast_object_list(message, src=0)
        return message[0]

    def keep(self, identity: dict[str, Any], statistics: Statistics) -> None:
        """Write the statistics for the next time; the first process does."""
        if _is_first():
            self.write(self.path(identity), identity, statistics)

    @staticmethod
    def read(path: Path) -> Statistics | None:
        """The statistics in a file of the cache; None if there is none, or, with a warning, if it is damaged."""
        if not path.is_file():  # a pipe would be waited for
            return None
        try:
            with zipfile.ZipFile(path) as archive:  # torch does not look at the check sums
                if (damaged := archive.testzip()) is not None:
                    raise zipfile.BadZipFile(damaged)
            content = torch.load(path, map_location="cpu", weights_only=True)
            return {name: _unpacked(each) for name, each in content["statistics"].items()}
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as error:  # whatever a reader of broken files raises
            warnings.warn(f"{path} holds no statistics ({type(error).__name__}); computing them again", stacklevel=2)
            return None

    @staticmethod
    def write(path: Path, identity: dict[str, Any], statistics: Statistics) -> None:
        """Write the file whole or not at all; if it cannot be written, a warning."""
        content = {"identity": identity, "statistics": {name: _packed(each) for name, each in statistics.items()}}
        part: Path | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
            part = Path(name)
            with os.fdopen(descriptor, "wb") as file:
                torch.save(content, file)
            part.chmod(0o644)  # mkstemp's files are private, a cache may be shared
            part.replace(path)
        except (OSError, RuntimeError) as error:  # torch's writer says RuntimeError when a disk is full
            reason = str(error).partition("\n")[0]
            warnings.warn(f"statistics of real clips are not kept for the next run: {reason}", stacklevel=2)
        finally:
            if part is not None:
                part.unlink(missing_ok=True)


def _packed(statistics: Gaussian | Tensor) -> dict[str, Any]:
    # A copy: of a part of a tensor torch would write the whole.
    return {"rows": statistics.clone()} if isinstance(statistics, Tensor) else vars(statistics)


def _unpacked(content: dict[str, Any]) -> Gaussian | Tensor:
    return content["rows"] if "rows" in content else Gaussian(**content)


def _is_first() -> bool:
    return not _several_processes() or torch.distributed.get_rank() == 0


def _several_processes() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
