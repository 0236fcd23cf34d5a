"""Writes the folder of one model; what it holds and how it is read is `acgan.model_folder`'s."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

import acgan
from acgan.data.classes import ClassName
from acgan.data.images import ImageShape
from acgan.model_folder import FORMAT, JSON_FILES, NETWORKS
from acgan.run_config import RunConfig
from acgan.storage import replace_folder, write_file


def save_model(
    folder: Path,
    *,
    config: RunConfig,
    shape: ImageShape,
    classes: Sequence[ClassName],
    split: Mapping[str, Any],
    data_name: str,
    generator_state: Mapping[str, Tensor],
    discriminator_state: Mapping[str, Tensor],
    images_seen: int,
    card: str,
) -> None:
    """Write a model folder in one step: a reader finds the old one or the new one, never a mixture.

    Args:
        folder: replaced if it exists.
        config: with every choice resolved.
        shape: of the images.
        classes: in label order.
        split: `DataParts.split_record`.
        data_name: `DataParts.name`.
        generator_state: averaged weights and buffers, any device and memory format.
        discriminator_state: likewise.
        images_seen: real images that D has seen.
        card: the text of README.md (`acgan.card.model_card`).

    Raises:
        DiskError: it could not be written.
    """
    record = {
        "format": FORMAT,
        "shape": list(shape),
        "images_seen": images_seen,
        "data_name": data_name,
        "version": acgan.__version__,
    }
    contents: dict[str, bytes | str] = {**json_files(record, config, classes, split)}
    contents["README.md"] = card
    for network, state in zip(NETWORKS, (generator_state, discriminator_state), strict=True):
        contents[f"{network}.safetensors"] = safetensors.torch.save(_plain(state))

    def write(target: Path) -> None:
        for name, content in contents.items():
            write_file(target / name, content)

    replace_folder(folder, write, need_bytes=sum(len(content) for content in contents.values()))


def json_files(
    record: Mapping[str, Any],
    config: RunConfig,
    classes: Sequence[ClassName],
    split: Mapping[str, Any],
) -> dict[str, str]:
    """The JSON files of a model folder by name, ``record`` becoming model.json."""
    values = (
        record,
        config.model_dump(mode="json"),
        [each.to_json() for each in classes],
        dict(split),
    )
    return {
        name: json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        for name, value in zip(JSON_FILES, values, strict=True)
    }


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    plain = {}
    for name, value in state.items():
        dtype = torch.float32 if value.is_floating_point() else value.dtype
        # safetensors refuses other layouts and shared memory
        plain[name] = value.detach().to("cpu", dtype).contiguous().clone()
    return plain
