"""Files are read as data, in a few known places: nothing in this program runs what it has been given."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if path.relative_to(ROOT).parts[0] not in (".venv", "tests", "data", "runs")
]
# Checkpoints go through tensor_files.loading; these read files of their own kinds, and say weights_only=True.
TORCH_LOAD = {
    "tensor_files/loading.py",
    "evaluation/array_videos.py",
    "metrics/statistics_cache.py",
    "metrics/weights.py",
    "benchmarks/study_measurement.py",
    "benchmarks/study_training.py",
}
TORCHSCRIPT = {"metrics/weights.py"}  # programs of the table of weight files, by digest
NEVER_IMPORTED = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "torch.hub", "hydra"}
NEVER_CALLED = {
    "eval", "exec", "__import__", "importlib.import_module", "os.system", "os.popen",
    "torch.hub.load", "torch.hub.load_state_dict_from_url", "torch.serialization.add_safe_globals",
    "torch.package.PackageImporter", "yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all",
}  # fmt: skip


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Each call in a file with the dotted name that is called."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def arguments(call: ast.Call) -> dict[str | None, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_file_calls(path: Path) -> None:
    here = path.relative_to(ROOT).as_posix()
    for name, call in calls(path):
        where = f"{here}:{call.lineno}"
        given = arguments(call)
        assert name not in NEVER_CALLED or here.startswith("benchmarks/"), where
        assert not name.endswith("load_from_checkpoint"), where
        assert given.get("shell", "False") == "False", where
        if name == "torch.load":
            assert here in TORCH_LOAD, f"{where}: use tensor_files.loading"
            assert given.get("weights_only") == "True", where
        if name == "torch.jit.load":
            assert here in TORCHSCRIPT, where
        if name in ("np.load", "numpy.load"):
            assert given.get("allow_pickle") == "False", where
        if name.endswith(".fit") and "ckpt_path" in given:
            assert given.get("weights_only") == "True", where


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_file_imports(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            taken = {f"{node.module}.{alias.name}" for alias in node.names}
            assert not taken & {"torch.load", "torch.jit.load", "numpy.load"}, (
                "name it by its module, so that it is seen"
            )
        assert not NEVER_IMPORTED & {*names, *(name.partition(".")[0] for name in names)}, path


def test_the_pins_have_no_known_holes() -> None:
    """Malicious: Lightning 2.6.2, 2.6.3; CVE-2026-58659: before 2.6.6; CVE-2026-24747: torch before 2.10."""
    pins = dict(
        line.split(";")[0].split()[0].split("==")
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    )
    least = {"pytorch-lightning": (2, 6, 6), "lightning-fabric": (2, 6, 6), "torch": (2, 10, 0)}
    for name, version in least.items():
        if name in pins:
            assert tuple(int(part) for part in pins[name].split("+")[0].split(".")[:3]) >= version, name
