import torch

from lightning_modules.noted_terms import NotedTerms


def number(value: float) -> torch.Tensor:
    return torch.tensor(value)


def test_means_are_over_the_updates_that_had_a_term() -> None:
    noted = NotedTerms()
    noted.add({"loss": number(1.0), "r1": number(8.0)})
    noted.add({"loss": number(3.0)})
    assert noted.means() == {"loss": 2.0, "r1": 8.0}
    noted.add({"loss": number(5.0)})
    assert noted.means() == {"loss": 5.0}
    assert noted.means() == {}
    assert noted.newest() == {"loss": 5.0, "r1": 8.0}


def test_what_was_noted_is_saved_and_goes_on() -> None:
    first, second = NotedTerms(), NotedTerms()
    first.add({"loss": number(1.0)})
    first.add({"loss": number(2.0)})
    second.load_state_dict(first.state_dict())
    second.add({"loss": number(6.0)})
    assert second.means() == {"loss": 3.0}
