"""Whether the reference is unseen: figures on images that a model learned from prove nothing."""

from __future__ import annotations

from acgan.data.images import DataParts
from acgan.data.leaks import image_digests
from acgan.data.load import load_data
from acgan.errors import AcganError, DataError
from acgan.model import Model


def has_same_split(model: Model, parts: DataParts) -> bool:
    """Whether a model's record names exactly these three parts, by their content."""
    mine = parts.split_record()
    return all(
        part in model.split and model.split[part]["content_hash"] == mine[part]["content_hash"]
        for part in mine
    )


def check_same_split(model: Model, parts: DataParts, name: str) -> None:
    """Refuse data whose test part is not the one that was cut off before the model was trained.

    Raises:
        DataError: it is another split, or other data.
    """
    if has_same_split(model, parts):
        return
    raise DataError(
        f"{name} was trained on another split than that of {parts.name}: its training images may "
        f"be among these test images, so they are no held-out reference. Give the data it was "
        f"trained on (it says {model.config.data.source!r}); or, for a set that it has never seen, "
        "add --other-data"
    )


def check_unseen(model: Model, parts: DataParts, name: str) -> bool | None:
    """Whether no image of validation and test is among the model's own training images.

    Args:
        model: trained on other data than ``parts``.
        parts: what it is to be held against.
        name: of the model, for the message.

    Returns:
        True where the model's own data could be read and shares no image; None where they are
        not to be found, so that nobody knows.

    Raises:
        DataError: they share images.
    """
    try:
        own = load_data(model.config.data)
    except AcganError:
        return None
    if not has_same_split(model, own):
        return None
    seen = set(image_digests(own.train))
    shared = sum(
        digest in seen for part in (parts.validation, parts.test) for digest in image_digests(part)
    )
    if shared:
        raise DataError(
            f"{shared} of the validation and test images of {parts.name} are training images of "
            f"{name}: they cannot judge it as unseen; take data that share none with "
            f"{model.config.data.source!r}"
        )
    return True
