from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import Namespace

from experiment.layers import keep_entries
from experiment.parsing import ParsedCLI, forbid_code, parse_and_instantiate
from tests.test_train import ROOT

DEMO = str(ROOT / "conf/demo.yaml")
SMALL = sorted(path.stem for path in (ROOT / "conf/small").glob("*.yaml"))
OBJECTIVE = "--model.objective"


@pytest.fixture
def objective(tmp_path: Path) -> Callable[..., Namespace]:
    """That of the demo with more laid over it: what a file says of the objective, or arguments."""

    def parsed(*layers: dict[str, Any] | str) -> Namespace:
        arguments = ["--config", DEMO]
        for number, layer in enumerate(layers):
            if isinstance(layer, str):
                arguments.append(layer)
            else:
                path = tmp_path / f"{number}.yaml"
                path.write_text(yaml.safe_dump({"model": {"init_args": {"objective": layer}}}))
                arguments += ["--config", str(path)]
        return terms_of(arguments, tmp_path)

    return parsed


def terms_of(arguments: list[str], folder: Path) -> Namespace:
    forbid_code([])
    return parse_and_instantiate(arguments, folder, cli=ParsedCLI).config.model.init_args.objective


def test_a_term_that_a_later_file_does_not_name_stays(objective: Callable[..., Namespace]) -> None:
    terms = objective({"init_args": {"terms": {"r1": {"init_args": {"weight": 7.0}}}}}).init_args.terms
    assert {name: (term.init_args.weight, term.init_args.interval) for name, term in terms.items()} == {
        "r1": (7.0, 8),
        "r2": (30.0, 8),
    }


def test_layers_and_arguments_in_any_order(objective: Callable[..., Namespace]) -> None:
    more = {"class_path": "losses.dragan.DRAGAN"}
    layers = [
        f"{OBJECTIVE}.init_args.terms.r2.init_args.weight=3",
        {"init_args": {"terms": {"dragan": more}}},
        {"init_args": {"terms": {"r1": {"class_path": "losses.r1_r2.R1", "init_args": {"interval": 4}}}}},
        f"{OBJECTIVE}.init_args.terms.dragan.init_args.weight=2",
    ]
    terms = objective(*layers).init_args.terms
    assert {name: term.init_args.weight for name, term in terms.items()} == {"r1": 30.0, "r2": 3.0, "dragan": 2.0}
    assert terms["r1"].init_args.interval == 4


def test_another_objective_does_not_take_the_terms_of_the_one_before(objective: Callable[..., Namespace]) -> None:
    hinge = {"class_path": "losses.hinge.Hinge", "init_args": {"terms": {"gp": {"class_path": "losses.r1_r2.R1"}}}}
    assert set(objective(hinge).init_args.terms) == {"gp"}


def test_a_term_of_another_class_is_that_class(objective: Callable[..., Namespace]) -> None:
    terms = objective({"init_args": {"terms": {"r1": {"class_path": "losses.dragan.DRAGAN"}}}}).init_args.terms
    assert {name: term.class_path for name, term in terms.items()} == {
        "r1": "losses.dragan.DRAGAN",
        "r2": "losses.r1_r2.R2",
    }
    assert "corrects_optimizer" not in terms["r1"].init_args  # what the new class does not take is gone


@pytest.mark.parametrize("name", SMALL)
def test_the_narrow_variants_have_the_terms_of_their_experiments(name: str, tmp_path: Path) -> None:
    layers = [["--config", str(ROOT / folder / f"{name}.yaml")] for folder in ("conf", "conf/small")]
    wide, narrow = terms_of(layers[0], tmp_path), terms_of([*layers[0], *layers[1]], tmp_path)
    if wide.class_path == narrow.class_path:
        assert {*(wide.init_args.get("terms") or {})} <= {*(narrow.init_args.get("terms") or {})}


def test_only_mappings_are_filled_up() -> None:
    before = Namespace(
        a={"x": 1, "y": Namespace(class_path="A", init_args=Namespace(p=1))}, b=[1, 2], c=None, d={"z": 1}
    )
    after = Namespace(a={"w": 2, "y": Namespace(class_path="B", init_args=Namespace(q=1))}, b=[3], c={"v": 1}, d=None)
    keep_entries(before, after)
    assert after.a == {"w": 2, "x": 1, "y": Namespace(class_path="B", init_args=Namespace(q=1))}
    assert (after.b, after.c, after.d) == ([3], {"v": 1}, None)
