from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import acgan as acgan_package

Acgan = Callable[..., Any]


COMMANDS = (
    *("train", "sample", "evaluate", "compare", "interpolate", "inspect", "show", "runs"),
    *("cache", "recipes", "explain", "compare-objectives", "doctor"),
)


@pytest.mark.slow
def test_help_names_every_command_and_every_exit_code(acgan_process: Acgan) -> None:
    for arguments in (["--help"], []):
        done = acgan_process(*arguments)
        assert done.code == 0
        for command in COMMANDS:
            assert f"│ {command} " in done.out
        assert "…" not in done.out
        words = " ".join(done.out.split())
        for code in ("0 success", "1 internal", "2 wrong", "3 unusable", "4 training", "5 a file"):
            assert code in words
        assert "130, 143 stopped" in words


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, acgan.cli.main as m; m.execute(['--help']);"
        "print([n for n in ('torch', 'numpy', 'pydantic', 'acgan.runs') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs getrusage")
def test_help_takes_less_than_0_4_seconds() -> None:
    import resource

    def seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    taken = []
    for _ in range(3):
        before = seconds()
        subprocess.run([sys.executable, "-m", "acgan", "--help"], check=True, capture_output=True)
        taken.append(seconds() - before)
    assert min(taken) < 0.4


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(acgan: Acgan, command: str) -> None:
    done = acgan(command, "-h")
    assert (done.code, done.err) == (0, "")
    assert done.out == acgan(command, "--help").out
    assert f"Usage: acgan {command}" in done.out
    assert f"Example: acgan {command}" in done.out
    assert "─ Output " in done.out
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.slow
def test_shells_complete_recipes_runs_and_classes(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    for words, expected in (
        ("acgan recipes small-", ["small-color", "small-gray"]),
        ("acgan sample ", ["runs/demo"]),
        (f"acgan sample {tiny_run} --class s", ["seven"]),
    ):
        environment = {
            **{"_ACGAN_COMPLETE": "complete_bash", "COMP_WORDS": words},
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        code = "from acgan.cli.main import run; run()"
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        assert sorted(done.stdout.split()) == expected
        assert done.stderr == ""


def test_the_version(acgan: Acgan) -> None:
    assert acgan("--version").out.split() == [acgan_package.__version__]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["smaple"], "no such command 'smaple'"),
        (["sample"], "missing argument 'MODEL'"),
        (["sample", "x", "--cuont", "3"], "--count"),
        (["sample", "x", "--count", "many"], "invalid value for '--count'"),
        (["sample", "x", "--truncation", "much"], "invalid value for '--truncation'"),
        (["--verbose"], "no such option: --verbose"),
        (["inspect", "x"], "missing argument 'IMAGE"),
        (["interpolate", "x"], "missing option"),
    ],
)
def test_mistakes_in_the_command_line(acgan: Acgan, arguments: list[str], sentence: str) -> None:
    done = acgan(*arguments)
    assert done.code == 2
    assert done.err.startswith("acgan: ")
    assert sentence in done.err
    assert "--help)" in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_mistake_in_a_process_is_exit_code_2(acgan_process: Acgan) -> None:
    done = acgan_process("smaple")
    assert (done.code, done.out) == (2, "")
    assert (
        done.err == "acgan: no such command 'smaple'. Did you mean 'sample'? (see acgan --help)\n"
    )


def broken(*_: object) -> None:
    raise RuntimeError("two\nlines")


def test_a_fault_of_ours_is_one_sentence(
    acgan: Acgan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("acgan.runs.listing.list_runs", broken)
    monkeypatch.delenv("ACGAN_DEBUG", raising=False)
    done = acgan("runs", tmp_path)
    assert done.code == 1
    assert "internal error: RuntimeError: two lines" in done.err
    assert "ACGAN_DEBUG=1" in done.err
    assert len(done.err.splitlines()) == 1
    monkeypatch.setenv("ACGAN_DEBUG", "1")
    assert "Traceback" in acgan("runs", tmp_path).err


def test_ctrl_c_is_130(acgan: Acgan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("acgan.runs.listing.list_runs", interrupted)
    done = acgan("runs", tmp_path)
    assert done.code == 130
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_ctrl_c_in_a_process_is_130(tiny_run: Path, tmp_path: Path) -> None:
    arguments = ["sample", str(tiny_run), "--count", "100000", "--out", str(tmp_path / "many")]
    process = subprocess.Popen(
        [sys.executable, "-m", "acgan", *arguments], stderr=subprocess.PIPE, text=True
    )
    wait_for = tmp_path / "many" / "zero" / "0.png"
    deadline = time.monotonic() + 60
    while not wait_for.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_closed_pipe_is_no_error(tiny_run: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "acgan", "show", str(tiny_run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert said == b""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, "GOMP_SPINCOUNT = '10000'"),
        ({"GOMP_SPINCOUNT": "7"}, "GOMP_SPINCOUNT = '7'"),
        ({"OMP_WAIT_POLICY": "passive"}, "GOMP_SPINCOUNT = '0'"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another OpenMP library")
def test_openmp_finds_the_spin_count_when_it_is_loaded(
    acgan_process: Acgan, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], shown: str
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    done = acgan_process("train", "./nowhere", OMP_DISPLAY_ENV="verbose", **given)
    assert (done.code, shown in done.err) == (3, True), done.err


STRANGE = {
    "5,000 nested lists": "[" * 5000 + "]" * 5000,
    "5,000 nested tables": "{a=" * 5000,
    "5,000 digits": "9" * 5000,
    "an exponent of 5,000 digits": "1e" + "9" * 5000,
    "NUL": "\0",
    "an escaped NUL": '"\\u0000"',
    "half a pair": "\ud800",
    "an escaped half": '"\\ud800"',
    "a byte that is not UTF-8": "\udcff",
    "Infinity": "Infinity",
    "inf": "-inf",
    "NaN": "NaN",
    "nan": "nan",
    "300 kB": "x" * 300_000,
    "a list of 300 kB": "[" + "1," * 150_000 + "1]",
    "escape codes": "\x1b[2J\x9b31m\u202e",
}


@pytest.mark.parametrize("value", STRANGE)
def test_a_strange_setting_is_refused_with_a_short_sentence(
    acgan: Acgan, value: str, tmp_path: Path
) -> None:
    for key in ("training.batch_size", "generator.widths", "optimizer.no\x1bkey"):
        done = acgan("train", "digits", "--run", tmp_path / "run", "-o", f"{key}={STRANGE[value]}")
        assert done.code == 2
        *_, sentence = done.err.splitlines()
        assert sentence.startswith("acgan: ")
        assert len(sentence) < 600
        assert done.err.replace("\n", "").isprintable()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_too_little_memory_says_what_to_do(
    acgan: Acgan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("acgan.runs.listing.list_runs", fail)
    done = acgan("runs", tmp_path)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    for word in ("not enough memory", "--image-size", "training.batch_size", "--count"):
        assert word in done.err


@pytest.mark.skipif(os.name == "nt", reason="needs any file name")
def test_no_file_name_steers_the_terminal(acgan: Acgan, tmp_path: Path) -> None:
    """Neither in a refusal, nor in a message, nor in a result."""
    folder = tmp_path / os.fsdecode(b"\x1b[2J\xc2\x9b31m\xe2\x80\xae\xff\x07")
    (folder / "run\x1b[31m").mkdir(parents=True)
    (folder / "run\x1b[31m" / "config.json").write_text("{")
    outcomes = [acgan("runs", folder), acgan("runs", folder / "none"), acgan("show", folder)]
    outcomes += [acgan("compare", folder, folder / "x"), acgan("evaluate", folder / "run\x1b[31m")]
    said = [text for each in outcomes for text in (each.out, each.err) if text]
    assert len(said) >= len(outcomes)
    for text in said:
        assert all(line.isprintable() for line in text.splitlines()), text
    assert r"\x1b[31m" in said[0]
