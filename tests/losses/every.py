"""Every objective and every term that a YAML can name: what a new file of losses/ adds is found here by itself."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

from losses.base import AdversarialObjective, Term
from losses.least_squares import LeastSquares
from losses.non_saturating import NonSaturating
from losses.vgan import TwoWayCrossEntropy

# Arguments where the defaults would show too little, or where there are none.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "R3GAN": {"gamma": 2.0, "gamma_last": 0.5, "decay_steps": 10},
    "R1": {"weight": 3.0, "interval": 2},
    "FeatureMatching": {"weight": 3.0},
    "MismatchedLabels": {"weight": 1.0, "num_classes": 3},
}
# The objective that a term belongs to, where it goes with one alone.
OBJECTIVE_OF: dict[str, type[AdversarialObjective]] = {
    "MismatchedLabels": LeastSquares,
    "MaskSparsity": TwoWayCrossEntropy,
}
PARTS_OF_OTHERS = {"CosineWeighted"}  # which R3GAN makes for itself


def classes_of(base: type) -> list[type]:
    """What the files of losses/ define below a base class."""
    found = []
    for path in sorted((Path(__file__).parents[2] / "losses").glob("*.py")):
        module = import_module(f"losses.{path.stem}") if path.stem != "__init__" else None
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, base) and kind.__module__ == f"losses.{path.stem}" and path.stem != "base":
                found.append(kind)
    return [kind for kind in found if kind.__name__ not in PARTS_OF_OTHERS]


def made(kind: type) -> Any:
    """One of a class."""
    return kind(**ARGUMENTS.get(kind.__name__, {}))


OBJECTIVES: dict[str, AdversarialObjective] = {kind.__name__: made(kind) for kind in classes_of(AdversarialObjective)}
# Each by the name of its term.
WITH_TERMS: dict[str, AdversarialObjective] = {
    kind.__name__: OBJECTIVE_OF.get(kind.__name__, NonSaturating)(terms={kind.__name__: made(kind)})
    for kind in classes_of(Term)
}
