import pytest
import torch

from metrics.same_padding import pad_same


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"),
    [
        (7, 3, 1, 1, 1),
        (8, 3, 2, 0, 1),  # torch's own padding of 1 would put a zero on both sides
        (7, 3, 2, 1, 1),
        (224, 7, 2, 2, 3),
        (14, 5, 2, 1, 2),
        (8, 2, 2, 0, 0),
        (9, 1, 2, 0, 0),
    ],
)
def test_zeros_go_where_tensorflow_puts_them(size: int, kernel: int, stride: int, before: int, after: int) -> None:
    padded = pad_same(torch.ones(1, 1, size, 1), (kernel, 1), (stride, 1)).flatten()
    assert padded.tolist() == [0] * before + [1] * size + [0] * after
    assert (len(padded) - kernel) // stride + 1 == -(-size // stride)
