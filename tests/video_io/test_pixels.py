import pytest
import torch

from video_io.pixels import float_to_uint8, uint8_to_float


def test_all_256_values_come_back_exactly():
    values = torch.arange(256, dtype=torch.uint8)
    floats = uint8_to_float(values)
    assert floats.dtype == torch.float32
    assert torch.equal(float_to_uint8(floats), values)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_floats_are_quantised_too(dtype):
    assert float_to_uint8(torch.tensor([-1.0, 0.0, 1.0], dtype=dtype)).tolist() == [0, 128, 255]


def test_the_formula():
    assert uint8_to_float(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([-1.0, -0.6, 1.0])
    below, above = 100.99 / 127.5 - 128 / 127.5, 101.01 / 127.5 - 128 / 127.5  # floor, after adding 128
    assert float_to_uint8(torch.tensor([below, above])).tolist() == [100, 101]


def test_values_outside_are_clamped():
    assert float_to_uint8(torch.tensor([-7.0, -1.001, 1.001, 7.0])).tolist() == [0, 0, 255, 255]


def test_shape_is_kept():
    assert uint8_to_float(torch.zeros(2, 3, 4, 5, 6, dtype=torch.uint8)).shape == (2, 3, 4, 5, 6)


def test_wrong_dtypes_are_refused():
    with pytest.raises(TypeError, match=r"must be uint8, not torch\.float32"):
        uint8_to_float(torch.zeros(1))
    with pytest.raises(TypeError, match=r"floats in \[-1, 1\], not torch\.uint8"):
        float_to_uint8(torch.zeros(1, dtype=torch.uint8))
