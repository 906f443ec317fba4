"""Who may import whom: the table of ARCHITECTURE.md, held by walking the imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists() and path.name != "tests"}
# What each package may import of ours, and which outside packages it may never import.
MAY_IMPORT = {
    "tensor_files": set(),
    "losses": {"tensor_files"},
    "networks": {"tensor_files"},
    "metrics": {"tensor_files"},
    "video_io": set(),
    "datamodules": {"packs", "video_io", "tensor_files", "losses.augmentation_transforms"},
    "packs": {"video_io", "tensor_files"},
    "preparing": {"packs", "video_io", "tensor_files"},
    "lightning_modules": {"networks.base", "losses.base", "losses.across_processes", "tensor_files"},
    "callbacks": {"metrics", "video_io", "tensor_files"},
    "experiment": OURS - {"benchmarks", "evaluation", "preparing", "sampling", "slurm"},
    "evaluation": {"metrics", "datamodules", "packs", "video_io", "experiment", "lightning_modules", "tensor_files"},
    "sampling": {"callbacks.protocols", "evaluation", "experiment", "metrics.card", "video_io", "tensor_files"},
    "slurm": {"experiment.command_line", "experiment.one_line", "experiment.secrets", "experiment.safe_yaml"},
    "benchmarks": OURS,
}
NEVER = {
    "tensor_files": {"pytorch_lightning", "wandb", "decord", "av"},
    "losses": {"pytorch_lightning", "wandb", "decord", "av"},
    "networks": {"pytorch_lightning", "wandb", "decord", "av"},
    "metrics": {"pytorch_lightning", "wandb", "decord", "av"},
    "video_io": {"pytorch_lightning", "wandb"},
    "datamodules": {"wandb", "decord", "av"},
    "packs": {"pytorch_lightning", "wandb", "decord", "av"},
    "preparing": {"pytorch_lightning", "wandb", "decord", "av"},
    "lightning_modules": {"wandb", "decord", "av"},
    "callbacks": {"decord", "av"},
    "experiment": {"wandb", "decord", "av"},
    "evaluation": {"wandb", "decord", "av"},
    "sampling": {"wandb", "decord", "av"},
    "slurm": {"pytorch_lightning", "wandb", "decord", "av"},
    "benchmarks": {"wandb", "decord", "av"},
}
MAY_IMPORT_ALL = {ROOT / "benchmarks" / "data_peers.py"}  # reads videos as others do, to compare with


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever in it; `from a.b import c` gives a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return names


def is_within(name: str, allowed: set[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in allowed)


def test_every_package_has_its_rule() -> None:
    assert set(MAY_IMPORT) == set(NEVER) == OURS


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_imports(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for name in imported(path):
            if is_within(name, OURS):
                assert is_within(name, MAY_IMPORT[package] | {package}), f"{path.name} imports {name}"
            never = set() if path in MAY_IMPORT_ALL else NEVER[package]
            assert not is_within(name, never), f"{path.name} imports {name}"
