from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from acgan.data.images import ImageShape
from acgan.networks.conv_generators import DeconvConfig
from acgan.networks.conv_stack import ConvLayerConfig, ConvStackConfig
from acgan.networks.interface import Generator, Heads
from acgan.networks.statistics import frozen_statistics, reestimate_statistics

torch.set_num_threads(1)

SHAPE = ImageShape(1, 8, 8)


def small_generator(*, spectral_norm: bool = False) -> Generator:
    torch.manual_seed(0)
    config = DeconvConfig(latent_size=5, widths=(8, 6, 4), spectral_norm=spectral_norm)
    return config.build(SHAPE, 3)


def small_discriminator() -> nn.Module:
    torch.manual_seed(0)
    layers = (ConvLayerConfig(width=6, stride=2), ConvLayerConfig(width=8))
    config = ConvStackConfig(layers=layers, spectral_norm=True)
    return config.build(SHAPE, 3, Heads())


def latents_and_labels(count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(count, 5, generator=chance), torch.randint(3, (count,), generator=chance)


def test_a_forward_pass_in_training_does_change_the_statistics() -> None:
    """Without this, the next test could not fail."""
    network = small_discriminator()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network(torch.rand(4, *SHAPE))
    changed = {n for n, buffer in network.named_buffers() if not torch.equal(buffer, before[n])}
    assert any(name.endswith("running_mean") for name in changed)
    assert any(name.endswith("_u") for name in changed)


def test_frozen_statistics_leave_every_buffer_and_let_gradients_flow() -> None:
    network = small_discriminator()
    before = {name: (buffer, buffer.clone()) for name, buffer in network.named_buffers()}
    images = torch.rand(4, *SHAPE, requires_grad=True)
    recorded = network(images)  # its backward pass must still work afterwards
    with frozen_statistics(network):
        output = network(images)
        network(images)
    state = {name: buffer.clone() for name, buffer in network.named_buffers()}
    (output.source_logits.sum() + recorded.source_logits.sum()).backward()

    for name, buffer in network.named_buffers():
        assert buffer is before[name][0]
        assert torch.equal(buffer, state[name])
    assert images.grad is not None
    assert images.grad.any()
    assert all(p.grad is not None for n, p in network.named_parameters() if "class_head" not in n)

    network.eval()
    reference = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.train()
    with frozen_statistics(network):
        network(images)
    assert all(torch.equal(b, reference[n]) for n, b in network.named_buffers())


def test_frozen_statistics_come_back_after_an_error() -> None:
    network = small_discriminator()
    before = {name: (buffer, buffer.clone()) for name, buffer in network.named_buffers()}

    def fail_after_a_pass() -> None:
        with frozen_statistics(network):
            network(torch.rand(4, *SHAPE))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_after_a_pass()
    for name, buffer in network.named_buffers():
        assert buffer is before[name][0]
        assert torch.equal(buffer, before[name][1])


def test_reestimated_statistics_are_those_of_a_naive_formula() -> None:
    generator = small_generator()
    batches = [latents_and_labels(16, seed=s) for s in range(3)]
    means, variances = [], []
    for latents, _ in batches:
        rows = generator.start(latents).detach().double()  # type: ignore[operator]
        maps = rows.view(16, 2, 2, 8).permute(0, 3, 1, 2)
        means.append([maps[:, c].mean() for c in range(8)])
        variances.append(
            [((maps[:, c] - maps[:, c].mean()) ** 2).sum() / (16 * 4 - 1) for c in range(8)]
        )
    reestimate_statistics(generator, batches)

    first = next(m for m in generator.modules() if isinstance(m, nn.BatchNorm2d))
    assert first.running_mean is not None
    assert first.running_var is not None
    torch.testing.assert_close(
        first.running_mean.double(),
        torch.tensor(means, dtype=torch.float64).mean(0),
        atol=1e-7,
        rtol=1e-5,
    )
    torch.testing.assert_close(
        first.running_var.double(),
        torch.tensor(variances, dtype=torch.float64).mean(0),
        atol=1e-9,
        rtol=1e-5,
    )


def test_reestimation_touches_nothing_else_and_is_deterministic() -> None:
    results = []
    for spoiled in (False, True):
        generator = small_generator(spectral_norm=True)
        if spoiled:  # what was there before must not matter
            for module in generator.modules():
                if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
                    module.running_var.fill_(float("nan"))
        generator.train()
        generator.norms.eval()  # type: ignore[union-attr]
        modes = [m.training for m in generator.modules()]
        others = {n: t.clone() for n, t in generator.state_dict().items() if "running" not in n}
        chance = torch.get_rng_state()
        reestimate_statistics(generator, (latents_and_labels(8, seed=s) for s in range(2)))

        assert torch.equal(torch.get_rng_state(), chance)
        assert [m.training for m in generator.modules()] == modes
        assert all(torch.equal(generator.state_dict()[n], t) for n, t in others.items())
        assert all(p.grad is None for p in generator.parameters())
        assert {m.momentum for m in generator.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}
        results.append({n: t for n, t in generator.state_dict().items() if "running" in n})
    first, second = results
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_evaluation_after_reestimation_agrees_with_training_on_one_batch() -> None:
    generator = small_generator()
    latents, labels = latents_and_labels(256, seed=0)
    with torch.no_grad(), frozen_statistics(generator):
        trained = generator(latents, labels)
    reestimate_statistics(generator, [(latents, labels)])
    with torch.no_grad():
        evaluated = generator.eval()(latents, labels)
    assert trained.abs().max() > 0.1
    # Not equal: the running variance is the unbiased one.
    torch.testing.assert_close(evaluated, trained, atol=1e-3, rtol=0)


def test_no_batch_is_refused_and_changes_nothing() -> None:
    generator = small_generator()
    before = {n: t.clone() for n, t in generator.state_dict().items()}
    with pytest.raises(ValueError, match="no batch"):
        reestimate_statistics(generator, [])
    assert all(torch.equal(t, before[n]) for n, t in generator.state_dict().items())
