"""Animated images as GIF, the format that every viewer, browser and README shows."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from acgan.plots.grid import side_by_side

_PALETTE_FRAMES = 8  # frames that the common palette of a color animation is chosen from
_PALETTE_PIXELS = 200_000  # pixels of these frames that are looked at


def animation(
    frames: Sequence[Image.Image],
    captions: Sequence[str] | None = None,
    *,
    frame_milliseconds: int = 250,
    last_milliseconds: int = 2500,
) -> bytes:
    """A GIF that shows the frames in order, for ever; equal frames give equal bytes.

    Gray frames (``L``) keep every value exactly. Color frames share one palette of 256 colors,
    so nothing flickers that did not change.

    Args:
        frames: pictures of one size, all ``L`` or all ``RGB``.
        captions: a line above each frame (``12,800 images``), or None.
        frame_milliseconds: how long a frame stays; GIF counts in steps of 10.
        last_milliseconds: how long the last frame stays, the one that people want to look at.

    Raises:
        ValueError: no frames, differing sizes or modes, or another number of captions.
    """
    if not frames or len({(frame.size, frame.mode) for frame in frames}) != 1:
        raise ValueError("an animation needs frames, all of one size and mode")
    if captions is not None:
        frames = _captioned(frames, captions)
    indexed = _gray(frames) if frames[0].mode == "L" else _common_palette(frames)
    buffer = io.BytesIO()
    indexed[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=indexed[1:],
        duration=[frame_milliseconds] * (len(frames) - 1) + [last_milliseconds],
        loop=0,
        optimize=False,  # would give each frame a palette of its own
        disposal=1,
    )
    return buffer.getvalue()


def _captioned(frames: Sequence[Image.Image], captions: Sequence[str]) -> list[Image.Image]:
    if len(captions) != len(frames):
        raise ValueError(f"{len(frames)} frames need as many captions, not {len(captions)}")
    pictures = [side_by_side([f], [c]) for f, c in zip(frames, captions, strict=True)]
    width = max(picture.width for picture in pictures)  # a long caption widens a narrow frame
    paper = 255 if pictures[0].mode == "L" else (255, 255, 255)
    result = [Image.new(picture.mode, (width, picture.height), paper) for picture in pictures]
    for picture, wide in zip(pictures, result, strict=True):
        wide.paste(picture, (0, 0))
    return result


def _gray(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """The same values as indices into the palette of 256 grays."""
    palette = [value for gray in range(256) for value in (gray, gray, gray)]
    result = []
    for frame in frames:
        indexed = Image.frombytes("P", frame.size, frame.tobytes())
        indexed.putpalette(palette)
        result.append(indexed)
    return result


def _common_palette(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Every frame with the nearest of 256 colors, the same for all frames, white among them.

    No dithering: an enlarged pixel stays one even square, a still pixel stays still, and the file
    is a third smaller.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, _PALETTE_FRAMES).round().astype(int))
    colors = np.concatenate([np.asarray(frames[int(i)]).reshape(-1, 3) for i in chosen])
    # Without paper, which would take the largest box of the median cut and come out tinted.
    inked = colors[(colors != 255).any(axis=1)][:: max(1, len(colors) // _PALETTE_PIXELS)]
    sample = Image.fromarray(inked[None] if len(inked) else colors[None, :1])
    found = sample.quantize(255, method=Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([255, 255, 255, *found[: 3 * 255]])
    result = []
    for frame in frames:
        indexed = frame.quantize(palette=palette, dither=Image.Dither.NONE)
        # Pillow's search is coarse: it takes a nearly white entry for white.
        white = (np.asarray(frame) == 255).all(axis=-1)
        indexed.paste(0, mask=Image.fromarray(white))
        result.append(indexed)
    return result
