"""Animated images as GIF, which every viewer, browser and README shows."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from acgan.plots.grid import side_by_side

_PALETTE_FRAMES = 8  # frames from which the common palette of a color animation is computed
_PALETTE_PIXELS = 200_000  # pixels of these frames that are used


def animation(
    frames: Sequence[Image.Image],
    captions: Sequence[str] | None = None,
    *,
    frame_milliseconds: int = 250,
    last_milliseconds: int = 2500,
) -> bytes:
    """Return an endless GIF of the frames; equal frames give equal bytes.

    Gray frames (``L``) keep every value exactly. Color frames share one palette of 256 colors, so
    that unchanged pixels do not flicker.

    Args:
        frames: images of one size, all ``L`` or all ``RGB``.
        captions: a line above each frame (``12,800 images``), or None.
        frame_milliseconds: duration of a frame; GIF has steps of 10.
        last_milliseconds: duration of the last frame.

    Raises:
        ValueError: no frames, differing sizes or modes, or another number of captions.
    """
    if not frames or len({(frame.size, frame.mode) for frame in frames}) != 1:
        raise ValueError("an animation needs frames, all of one size and mode")
    if captions is not None:
        if len(captions) != len(frames):
            raise ValueError(f"{len(frames)} frames need as many captions, not {len(captions)}")
        frames = [side_by_side([f], [c]) for f, c in zip(frames, captions, strict=True)]
        width = max(each.width for each in frames)  # a long caption widens a narrow frame
        frames = [ImageOps.expand(f, (0, 0, width - f.width, 0), "white") for f in frames]
    if frames[0].mode == "L":
        indexed = [frame.convert("P") for frame in frames]  # the same values, of 256 grays
    else:
        indexed = _common_palette(frames)
    buffer = io.BytesIO()
    indexed[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=indexed[1:],
        duration=[frame_milliseconds] * (len(frames) - 1) + [last_milliseconds],
        loop=0,
        optimize=False,  # a palette per frame
        disposal=1,
    )
    return buffer.getvalue()


def _common_palette(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Map all frames to the same 256 colors, including white.

    Without dithering, enlarged pixels stay even squares, still pixels stay still, and the file is
    a third smaller.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, _PALETTE_FRAMES).round().astype(int))
    colors = np.concatenate([np.asarray(frames[int(i)]).reshape(-1, 3) for i in chosen])
    # Without white, which would take the largest box of the median cut and become tinted.
    inked = colors[(colors != 255).any(axis=1)][:: max(1, len(colors) // _PALETTE_PIXELS)]
    sample = Image.fromarray(inked[None] if len(inked) else colors[None, :1])
    found = sample.quantize(255, method=Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([255, 255, 255, *found[: 3 * 255]])
    result = []
    for frame in frames:
        indexed = frame.quantize(palette=palette, dither=Image.Dither.NONE)
        # Pillow's search is coarse and confuses nearly white entries with white.
        white = (np.asarray(frame) == 255).all(axis=-1)
        indexed.paste(0, mask=Image.fromarray(white))
        result.append(indexed)
    return result
