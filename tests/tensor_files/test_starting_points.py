from tensor_files.starting_points import are_needed, weights_come_later


def test_what_a_network_starts_from_is_needed_unless_a_checkpoint_follows() -> None:
    assert are_needed()
    with weights_come_later():
        assert not are_needed()
        with weights_come_later(False):
            assert are_needed()
    assert are_needed()
