"""Everything installed is pinned, and no pin is a version with a known hole.

`pip-audit --requirement requirements.txt` asks the advisory databases, and needs a network; this holds without one.
"""

from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
# Versions that must not come back, and why.
REFUSED = {
    # 2.6.2 and 2.6.3 on PyPI stole credentials when imported (GHSA-w37p-236h-pfx3); up to 2.6.5 a checkpoint's
    # hyper-parameters name a class that is imported and called, weights_only or not (CVE-2026-58659).
    "pytorch-lightning": SpecifierSet("<2.6.6"),
    # weights_only could be got around (CVE-2025-32434, before 2.6), and corrupt memory (CVE-2026-24747, before 2.10).
    "torch": SpecifierSet("<2.10"),
}


def pins() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "--"))]


def test_every_requirement_is_one_version() -> None:
    assert len(pins()) > 50
    for pin in pins():
        (specifier,) = pin.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, f"{pin} is not pinned"


@pytest.mark.parametrize("name", REFUSED)
def test_no_pin_is_refused(name: str) -> None:
    versions = [next(iter(pin.specifier)).version for pin in pins() if pin.name == name]
    assert versions, f"{name} is not in requirements.txt"
    for each in (*versions, version(name)):
        assert not REFUSED[name].contains(each, prereleases=True), f"{name} {each} has a known hole"


def test_everything_that_is_asked_for_is_pinned() -> None:
    asked = [line.partition("#")[0].strip() for line in (ROOT / "requirements.in").read_text().splitlines()]
    names = {Requirement(line).name.lower() for line in asked if line and not line.startswith("--")}
    assert names <= {pin.name.lower() for pin in pins()}, sorted(names - {pin.name.lower() for pin in pins()})
