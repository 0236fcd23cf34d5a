"""The Inception-v3 of the original FID, as torch-fidelity has it.

Its weights come from a file or are downloaded once. It is slow: about ten images per second and
processor core.
"""

from __future__ import annotations

import io
import os
import socket
import sys
from pathlib import Path
from typing import cast
from urllib.error import HTTPError, URLError

import torch
from torch import Tensor

from acgan.classifiers.extractor import EXTRACTORS, PretrainedExtractor, load_weights
from acgan.errors import DataError, is_out_of_memory

VARIABLE = "ACGAN_INCEPTION"
_TIMEOUT_SECONDS = 10.0


def find_inception_weights(chosen: Path | None = None) -> Path:
    """Find the weights: ``chosen``, ``ACGAN_INCEPTION``, or torch hub's folder of checkpoints.

    If the file is in none of these, it is downloaded to the last (95 MB) and compared with the
    hash in its name.

    Raises:
        DataError: a named file is missing, or the download failed.
    """
    named = chosen or os.environ.get(VARIABLE)
    if named:
        given = Path(named).expanduser()
        if not given.is_file():
            origin = "" if chosen else f" (named by {VARIABLE})"
            raise DataError(f"no file {given}{origin} with Inception's weights; check the path")
        return given
    from torch_fidelity import feature_extractor_inceptionv3

    url: str = feature_extractor_inceptionv3.URL_INCEPTION_V3
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if not path.is_file():
        _download(url, path)
    return path


def _download(url: str, path: Path) -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = path.stem.rsplit("-", 1)[1]
        torch.hub.download_url_to_file(url, str(path), prefix, progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"Inception's weights are not on this machine and could not be downloaded "
            f"({_reason(error)}): put {path.name} (from {url}) into {path.parent}, or name the "
            f"file with --inception-weights or {VARIABLE}; the extractors 'reference-classifier' "
            "and 'efficientnet-lite0' need no download"
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"the server responded with {error.code}"
    if isinstance(error, URLError | TimeoutError | ConnectionError):
        return "no network, or the server does not respond"
    return " ".join(str(error).split())[:200]


_FEATURES = 2048
_CLASSES = 1008
_BATCH = 8
_RESIZE_RULE = (
    "to 299×299 pixels, stretched where not square: bilinear as in TensorFlow 1.x, not "
    "antialiased; gray repeated to three channels; (pixel − 128) / 128"
)


def load_inception(weights: Path | None = None) -> PretrainedExtractor:
    """Build the extractor with the weights that `find_inception_weights` finds.

    Features are float32 (N, 2048) and logits (N, 1008), as papers use them for FID and IS. The
    logits are torch-fidelity's ``logits_unbiased``, without the last layer's bias, from which the
    original Inception score is computed (Salimans et al. 2016). The resize rule is that of the
    original FID.

    Args:
        weights: file of weights; None to search for it or download it.

    Raises:
        DataError: the weights are missing and cannot be downloaded, or the file is another one.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = find_inception_weights(weights)
    # torch-fidelity unpickles its file without checks, so give it a copy of the tensors alone.
    tensors = io.BytesIO()
    torch.save(load_weights(path), tensors)
    tensors.seek(0)
    try:
        with torch.random.fork_rng(devices=[]):  # random weights, replaced afterwards
            network = FeatureExtractorInceptionV3(
                "inception-v3-compat",
                ["2048", "logits_unbiased"],
                feature_extractor_weights_path=tensors,
            )
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise DataError(
            f"{path} does not hold the weights of torch-fidelity's Inception-v3; give the file "
            "that torch-fidelity publishes, or use another extractor"
        ) from error
    network.to(memory_format=torch.channels_last)

    def forward(images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = cast(tuple[Tensor, Tensor], network(images.expand(-1, 3, -1, -1)))
        return logits, features

    return PretrainedExtractor(
        "inception", _RESIZE_RULE, network, forward, _BATCH, _CLASSES, _FEATURES
    )


EXTRACTORS.register("inception")(load_inception)
