from __future__ import annotations

import torch

from acgan.backbones.efficientnet_lite0 import EarlyEfficientNetLite0, EfficientNetLite0

torch.set_num_threads(1)


def test_its_maps_are_the_whole_networks_at_the_depths_that_the_taps_name() -> None:
    torch.manual_seed(0)
    whole, taps = EfficientNetLite0(), (1, 2, 3, 4, 5)
    early = EarlyEfficientNetLite0(taps)
    theirs = whole.state_dict()
    early.load_state_dict({name: theirs[name] for name in early.state_dict()})
    pixels = torch.randint(0, 256, (2, 3, 64, 32)).float()
    with torch.no_grad():
        maps = early(pixels / 127.5 - 1)
        pooled = whole.head(maps[-1]).mean((2, 3))
        torch.testing.assert_close(pooled, whole.features(pixels))
    assert [m.shape[1:] for m in maps] == [
        (16, 32, 16),
        (24, 16, 8),
        (40, 8, 4),
        (112, 4, 2),
        (320, 2, 1),
    ]
    assert early.widths == (16, 24, 40, 112, 320)


def test_only_what_leads_to_the_last_tap_is_there() -> None:
    early = EarlyEfficientNetLite0((2,))
    assert len(early.blocks) == 3
    assert [maps.shape for maps in early(torch.zeros(1, 3, 8, 8))] == [(1, 24, 2, 2)]
