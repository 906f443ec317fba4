import pytest
import torch

from networks.frame_gan import FrameGANDiscriminator, FrameGANGenerator


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts() -> None:
    with torch.device("meta"):
        # MoCoGAN's decoder, 3,298,176 at 66 inputs, and 8,192 for each of 34 more.
        assert num_parameters(FrameGANGenerator()) == 3_298_176 + 34 * 512 * 16 == 3_576_704
        assert num_parameters(FrameGANDiscriminator()) == 2_765_568


def test_latent_processes() -> None:
    def draw(process: str, num_frames: int = 40) -> torch.Tensor:
        generator = FrameGANGenerator(16, 16, latent_process=process, correlation=0.9, base_channels=1)
        return generator.sample_latents(400, torch.Generator().manual_seed(0), num_frames)["z"]

    for process, rho in (("independent", 0.0), ("static", 1.0), ("autoregressive", 0.9)):
        z = draw(process)
        assert z.shape == (400, 40, 100)
        assert abs(z[:, 0].var() - 1) < 0.02 and abs(z[:, -1].var() - 1) < 0.02  # stationary; 40,000 numbers each
        for lag in (1, 5):
            assert abs((z[:, 10] * z[:, 10 + lag]).mean() - rho**lag) < 0.02
    assert torch.equal(draw("static")[:, 0], draw("static")[:, -1])


@pytest.mark.parametrize("correlation", [-0.1, 1.1])
def test_a_correlation_that_is_none(correlation: float) -> None:
    with pytest.raises(ValueError, match=rf"correlation is {correlation}; it must be from 0 to 1"):
        FrameGANGenerator(correlation=correlation)


def test_every_frame_has_a_logit() -> None:
    discriminator = FrameGANDiscriminator(5, 16, base_channels=4).eval()
    clips = torch.rand(2, 3, 5, 16, 16) * 2 - 1
    assert discriminator.sample_view(2, torch.Generator()) == {}
    judgement = discriminator(discriminator.look(clips, {}))
    assert judgement.logits[0].shape == (2, 5)
    assert judgement.features[0].shape == (2, *discriminator.num_features)
    order = [3, 0, 4, 2, 1]
    torch.testing.assert_close(discriminator(clips[:, :, order]).logits[0], judgement.logits[0][:, order])


def test_random_frames_of_each_clip() -> None:
    discriminator = FrameGANDiscriminator(5, 16, frames_per_clip=3, base_channels=4).eval()
    clips = torch.rand(400, 1, 5, 1, 1).expand(400, 3, 5, 16, 16)
    view = discriminator.sample_view(400, torch.Generator().manual_seed(0))
    frames = view["times"]
    assert frames.shape == (400, 3) and (frames.diff(dim=1) > 0).all()
    counts = frames.flatten().bincount(minlength=5)
    assert (counts - 240).abs().max() < 5 * (400 * 0.6 * 0.4) ** 0.5  # each frame with probability 3 / 5
    seen = discriminator.look(clips, view)
    assert torch.equal(seen[7], clips[7][:, frames[7]])
    assert discriminator(seen[:2], view=view).logits[0].shape == (2, 3)


def test_looking_at_a_video_is_rendering_its_frames() -> None:
    generator = FrameGANGenerator(5, 16, base_channels=4).eval()
    discriminator = FrameGANDiscriminator(5, 16, frames_per_clip=2, base_channels=4)
    latents = generator.sample_latents(3, torch.Generator().manual_seed(0))
    view = discriminator.sample_view(3, torch.Generator().manual_seed(1))
    assert view.keys() == generator.renders
    torch.testing.assert_close(discriminator.look(generator(latents), view), generator.render(latents, None, view))


def test_gradients_reach_every_parameter() -> None:
    discriminator = FrameGANDiscriminator(5, 16, base_channels=4)
    discriminator(torch.rand(2, 3, 5, 16, 16)).logits[0].square().sum().backward()
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_mistakes_are_named() -> None:
    for frames_per_clip in (0, 6):
        with pytest.raises(
            ValueError, match=f"frames_per_clip is {frames_per_clip}; it must be from 1 to num_frames, 5"
        ):
            FrameGANDiscriminator(5, 16, frames_per_clip=frames_per_clip)
    with pytest.raises(ValueError, match=r"\(3, 5, 32, 32\) given; FrameGANDiscriminator is made for \(3, 5, 16, 16\)"):
        FrameGANDiscriminator(5, 16, base_channels=4)(torch.zeros(1, 3, 5, 32, 32))
