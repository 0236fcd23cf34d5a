from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Acgan = Callable[..., Any]

TINY = (
    *("-o", "generator.widths=[8,8]", "-o", "generator.latent_size=8"),
    *("-o", "discriminator.layers=[{width=8,kernel=4,stride=2,norm=false}]"),
    *("-o", "training.batch_size=8", "--device", "cpu", "--precision", "fp32"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of twelve gray 8×8 images each."""
    random = np.random.default_rng(0)
    for name, mean in (("dark", 40), ("light", 200)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(12):
            pixels = np.clip(random.normal(mean, 20, (8, 8)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{index}.png")
    return tmp_path / "images"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_a_folder_is_trained_resumed_and_drawn(acgan: Acgan, folder: Path) -> None:
    constant = (*TINY, "-o", "optimizer.schedule=constant")
    command = ("train", folder, "--images", 64, *constant, "--json")
    done = acgan(*command)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    run = Path(result["run"])
    assert run.parent == Path("runs")
    assert run.name.startswith("images-small-gray-")
    assert len(run.name.rsplit("-", 1)[1]) == 8
    assert (result["resumed_at"], result["images_seen"]) == (0, 64)
    for picture in result["summary"].values():
        with Image.open(picture) as image:
            image.verify()
    assert "images/s, measured just now" in done.err
    assert "2 classes of 8×8×1" in done.err

    again = json.loads(acgan(*command).out)
    assert again["run"] == result["run"]
    assert again["resumed_at"] == 64

    longer = json.loads(acgan("train", folder, "--images", 128, *constant, "--json").out)
    assert (longer["run"], longer["resumed_at"]) == (result["run"], 64)
    assert longer["images_seen"] == 128

    drawn = acgan("sample", run, "--class", "light", "--count", 2, "--out", "drawn")
    assert drawn.code == 0, drawn.err
    assert len(list(Path("drawn/light").glob("*.png"))) == 2


@pytest.mark.slow
def test_a_run_ends_with_its_pictures_and_the_next_command(acgan: Acgan, folder: Path) -> None:
    done = acgan("train", folder, "--images", 16, "--run", "here", *TINY)
    assert done.code == 0, done.err
    assert "here complete after 16 images" in done.out
    assert "acgan sample here --class=dark" in done.out
    assert (
        "was complete already" in acgan("train", folder, "--images", 16, "--run", "here", *TINY).out
    )


@pytest.mark.slow
def test_the_next_commands_work_as_pasted(acgan: Acgan, folder: Path) -> None:
    """Also with spaces in the class, and with spaces and a leading dash in the run folder."""
    (folder / "dark").rename(folder / "- a dark 'one'")
    done = acgan("train", folder, "--images", 16, "--run=- my run", *TINY)
    assert done.code == 0, done.err
    sample = pasted(done.out, "to generate images of a class:")
    evaluate = pasted(done.out, "to measure their quality:")
    assert sample[:2] == ["acgan", "sample"]
    drawn = acgan(*sample[1:])
    assert drawn.code == 0, drawn.err
    assert len(list(Path("samples").glob("*/*.png"))) == 16
    assert evaluate[:2] == ["acgan", "evaluate"]
    assert Path(evaluate[2]).samefile("- my run")
    assert not evaluate[2].startswith("-")


def pasted(out: str, heading: str) -> list[str]:
    """The words of the command below a heading, as a shell reads them."""
    lines = out[out.index(heading) :].splitlines()[1:]
    last = next(index for index, line in enumerate(lines) if not line.endswith("\\"))
    return shlex.split("\n".join(lines[: last + 1]).replace("\\\n", ""))


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_the_closing_lines_say_how_good_it_is_and_what_is_missing(
    schedule: str, acgan: Acgan, tmp_path: Path
) -> None:
    """A run of real digits that is much too short, of too few of them."""
    data = ("digits", "--per-class", 20, "--seed", 3, "-o", f"optimizer.schedule={schedule}")
    run = tmp_path / "my 'first' run"
    given = ("train", *data, *TINY, "--run", run)
    done = acgan(*given, "-o", "training.total_images=64")
    assert done.code == 0, done.err
    assert "warning: too little training: 64 images, 0.32 passes over 200 training images" in (
        done.err
    )
    lines = done.out[done.out.index("quick check: ") :].splitlines()
    check, training, few, weak = lines[:4]
    assert "balanced class accuracy 0." in check
    assert "chance 0.1), diversity" in check
    assert training.endswith("over 200 training images, 0.021 % of the recipe's 300,000")
    assert few.startswith("  too few images: 20 per class (zero 20, one 20, 8 more); leave out --p")
    assert "do not show their class" in weak
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["images"] for row in rows] == [8, 16, 24, 32, 40, 48, 56, 64]
    assert "  curves: " in done.out
    words = pasted(done.out, "to fix that:")
    assert words[:4] == ["acgan", "train", "digits", "--seed=3"]
    assert "--images=300000" in words
    name = str(run) if schedule == "constant" else f"{run}-300000"
    assert f"--run={name}" in words
    assert not any("total_images" in word for word in words)
    assert {f"{each}" for each in TINY if "=" in each} < set(words)

    # the same with --json, and of a run that was complete
    again = json.loads(acgan(*given, "-o", "training.total_images=64", "--json").out)
    assert again["resumed_at"] == 64
    assert again["check"]["command"] == words
    assert again["check"]["findings"] == [each.strip() for each in (training, few, weak)]
    assert again["check"]["figures"]["chance"] == pytest.approx(0.1)


@pytest.mark.slow
def test_another_configuration_in_the_same_run_is_refused(acgan: Acgan, folder: Path) -> None:
    assert acgan("train", folder, "--images", 16, "--run", "here", *TINY).code == 0
    done = acgan("train", folder, "--images", 16, "--run", "here", "--seed", 7, *TINY)
    assert done.code == 2
    assert "seed: 0 → 7" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--recipe", "smal-gray"), 2, "did you mean 'small-gray'"),
        (("-o", "training.batch_sise=8"), 2, "did you mean 'batch_size'"),
        (("-o", "training.batch_size"), 2, "section.key=value"),
        (("--images", 0), 2, "--images"),
        (("--images", 8, "--max-minutes", 1), 2, "not both"),
        (("--image-size", "tiny"), 2, "tiny"),
        (("--image-size", "30"), 2, "28×28"),
        (("--device", "tpu"), 2, "device"),
        (("--precision", "fp8"), 2, "precision"),
        (("--only-class", "drak"), 2, "did you mean 'dark'"),
        (("--fraction", 2), 2, "fraction"),
        (("--fraction", 0.5, "--per-class", 3), 2, "exclude each other"),
        (("--init-from", "nowhere"), 2, "nowhere"),
        (("-o", "training.batch_size=64"), 2, "fewer than a batch"),
        (("-o", "objective.source_loss=hinge", "-o", "objective.real_target=.9"), 2, "hinge"),
        (("--bad-files", "eat"), 2, "'--bad-files': 'eat' is not one of"),
        (("--images", "nan"), 2, "'--images': it must be a whole number"),
        (("--images", -3), 2, "'--images': it must be at least 1"),
        (("--max-minutes", 0), 2, "'--max-minutes': 0 is not a number above 0"),
        (("--max-minutes", -1), 2, "'--max-minutes': -1 is not a number above 0"),
        (("--max-minutes", "nan"), 2, "'--max-minutes': nan is not a number above 0"),
        (("--max-minutes", "inf"), 2, "'--max-minutes': inf is not a number above 0"),
        (("--max-minutes", "1h"), 2, "'--max-minutes': it must be a number"),
        (("--fraction", 0), 2, "'--fraction': 0 is not a number above 0 and at most 1"),
        (("--per-class", 0), 2, "'--per-class': it must be at least 1"),
        (("--long-tail", 0.5), 2, "'--long-tail': 0.5 is not a number at least 1"),
        (("--seed", -1), 2, "'--seed': it must be at least 0"),
        (("--image-size", 0), 2, "outside 1 to 4096"),
        (("--image-size", 7), 2, "4×4 and 8×8 can"),
    ],
)
def test_a_mistake_gets_its_sentence(
    acgan: Acgan, folder: Path, arguments: tuple[object, ...], code: int, sentence: str
) -> None:
    done = acgan("train", folder, *arguments)
    assert done.code == code, done.err
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert "nput should" not in done.err
    assert done.err.splitlines()[-1].startswith("acgan: ")
    assert not Path("runs").exists()


@pytest.mark.slow
def test_data_that_cannot_be_used_gets_its_sentence(
    acgan: Acgan, folder: Path, tmp_path: Path
) -> None:
    missing = acgan("train", tmp_path / "nothing-here")
    assert missing.code in (2, 3)
    assert "nothing-here" in missing.err

    (folder / "dark" / "notes.png").write_text("this is text")
    bad = acgan("train", folder, "--images", 16, *TINY)
    assert bad.code == 3
    assert "notes.png" in bad.err
    aside = acgan("train", folder, "--images", 16, "--bad-files", "skip", *TINY)
    assert aside.code == 0, aside.err

    for image in (folder / "light").iterdir():
        image.unlink()
    (folder / "dark" / "notes.png").unlink()
    empty = acgan("train", folder, "--images", 16, *TINY)
    assert empty.code == 3
    assert "light" in empty.err


@pytest.mark.slow
def test_one_class_is_refused_for_an_acgan_and_trained_without(acgan: Acgan, folder: Path) -> None:
    for image in (folder / "light").iterdir():
        image.unlink()
    (folder / "light").rmdir()
    done = acgan("train", folder, "--recipe", "small-gray", "--images", 16, *TINY)
    assert done.code in (2, 3)
    assert "two classes" in done.err
    default = acgan("train", folder, "--images", 16, *TINY)
    assert default.code == 0, default.err
    assert "without classes" in default.err
    assert "note: there is one class, 'dark', so `acgan sample` has no class" in default.err
    single = acgan("train", folder, "--only-class", "dark", "--images", 16, *TINY, "--json")
    assert single.code == 0, single.err
    run = Path(json.loads(single.out)["run"])
    assert json.loads((run / "config.json").read_text())["objective"]["name"] == "acgan"


def test_a_folder_that_is_no_run_is_left_alone(acgan: Acgan, folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("precious")
    done = acgan("train", folder, "--images", 16, "--run", mine, *TINY)
    assert done.code == 2
    assert [p.name for p in mine.iterdir()] == ["thesis.txt"]
