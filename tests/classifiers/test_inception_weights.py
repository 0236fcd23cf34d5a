from __future__ import annotations

import hashlib
import socket
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest
import torch

from acgan.classifiers import inception as inception_weights
from acgan.classifiers.inception import find_inception_weights
from acgan.errors import DataError

FILE = "weights-inception-2015-12-05-6726825d.pth"


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.delenv("ACGAN_INCEPTION", raising=False)
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """There is no network; the timeouts under which it was tried."""
    timeouts: list[float | None] = []

    def refuse(*args: object, **options: object) -> None:
        timeouts.append(socket.getdefaulttimeout())
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    return timeouts


def test_without_a_network_the_sentence_says_what_to_do(
    hub: Path, offline: list[float | None]
) -> None:
    with pytest.raises(DataError) as refusal:
        find_inception_weights()
    message = str(refusal.value)
    for part in (FILE, f"into {hub}", "--inception-weights", "ACGAN_INCEPTION"):
        assert part in message
    assert "'reference-classifier' and 'efficientnet-lite0' need no download" in message
    assert "no network" in message


def test_a_download_may_not_hang(offline: list[float | None]) -> None:
    before = socket.getdefaulttimeout()
    with pytest.raises(DataError):
        find_inception_weights()
    assert offline == [10.0]
    assert socket.getdefaulttimeout() == before


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (HTTPError("", 404, "", None, None), "the server responded with 404"),  # type: ignore[arg-type]
        (TimeoutError(), "no network, or the server does not respond"),
        (OSError("No space left on device"), "No space left"),
        (RuntimeError("invalid hash value"), "invalid hash"),
    ],
)
def test_the_cause_is_named(monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(DataError, match=reason):
        find_inception_weights()


def test_a_folder_that_cannot_be_written_gets_a_sentence(hub: Path) -> None:
    hub.parent.mkdir()
    hub.write_text("a file where the folder should be")
    with pytest.raises(DataError, match="could not be downloaded"):
        find_inception_weights()


def test_a_download_is_checked_kept_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, hub: Path, tmp_path: Path
) -> None:
    content = b"as if they were weights"
    name = f"weights-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (tmp_path / name).write_bytes(content)
    (tmp_path / "weights-00000000.pth").write_bytes(content)
    constant = "torch_fidelity.feature_extractor_inceptionv3.URL_INCEPTION_V3"
    monkeypatch.setattr(constant, (tmp_path / "weights-00000000.pth").as_uri())
    with pytest.raises(DataError, match="invalid hash"):
        find_inception_weights()
    assert list(hub.iterdir()) == []
    monkeypatch.setattr(constant, (tmp_path / name).as_uri())
    assert find_inception_weights() == hub / name
    (tmp_path / name).unlink()
    assert find_inception_weights().read_bytes() == content


def test_a_named_file_goes_before_the_variable_and_both_before_the_folder(
    monkeypatch: pytest.MonkeyPatch, hub: Path, tmp_path: Path
) -> None:
    hub.mkdir(parents=True)
    files = [hub / FILE, tmp_path / "variable.pth", tmp_path / "chosen.pth"]
    for file in files:
        file.write_bytes(b"")
    assert find_inception_weights() == files[0]
    monkeypatch.setenv(inception_weights.VARIABLE, str(files[1]))
    assert find_inception_weights() == files[1]
    assert find_inception_weights(files[2]) == files[2]


def test_a_named_file_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"no file .*none\.pth with"):
        find_inception_weights(tmp_path / "none.pth")
    monkeypatch.setenv("ACGAN_INCEPTION", str(tmp_path / "gone.pth"))
    with pytest.raises(DataError, match=r"gone\.pth \(named by ACGAN_INCEPTION\)"):
        find_inception_weights()
