"""One process; several are in test_evaluation.py, where they are started once for all."""

import pytest
import torch

from evaluation.processes import MISTAKES, Processes, one_line


def test_one_process_does_its_work() -> None:
    processes = Processes.running()
    assert (processes.rank, processes.world_size, processes.is_first) == (0, 1, True)
    assert processes.together(lambda: 3) == processes.one_then_all(lambda: 3) == 3
    with pytest.raises(FileNotFoundError, match="gone"):
        processes.together(lambda: open("gone"))  # noqa: PTH123, SIM115


def test_a_message_is_one_line() -> None:
    assert one_line(ValueError("a\n  b\n")) == "a b"
    assert one_line(torch.linalg.LinAlgError("did not converge\nand more")) == "did not converge"
    assert one_line(OSError()) == "OSError"
    of_worker = (
        "Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        '  File "x.py", line 1, in f\n    raise ValueError("a: b")\nValueError: a: b\n'
    )
    assert one_line(ValueError(of_worker)) == "a: b"


def test_defects_of_the_program_are_no_mistakes() -> None:
    for defect in (TypeError, AssertionError, KeyError, AttributeError, RuntimeError, KeyboardInterrupt):
        assert not issubclass(defect, MISTAKES)
