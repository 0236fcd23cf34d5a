"""Signals to a process in which a reference classifier is fitted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, os, re, signal, sys
import acgan.classifiers.cache as cache, acgan.evaluation.evaluate as evaluate
from acgan.classifiers import fit_checkpoint, reference_classifier
from acgan.cli import output
from acgan.cli.main import execute

def config(train, *, flip):
    network = reference_classifier.ReferenceNetworkConfig(stem=8, stages=(16,))
    fit = reference_classifier.FitConfig(flip=flip, images=1_280, batch_size=16, precision="fp32")
    return reference_classifier.ReferenceClassifierConfig(network=network, fit=fit)

cache.reference_classifier_config = config
evaluate.evaluate = lambda prepared, watch: ()  # the chapters are not what this is about
fit_checkpoint.EVERY_SECONDS = -1.0  # after every step
output._LINE_SECONDS = 0.0
os.fsync = lambda descriptor: None
cache.fit_images_per_second = lambda *_: 1_000.0
results = []
for number, folder in ((2, "a"), (15, "a"), (0, "a"), (0, "b")):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writer, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.close(writer)
        os.environ["ACGAN_CACHE"] = folder
        os._exit(execute(sys.argv[1:]))
    os.close(writer)
    first, text = 0, ""
    for line in os.fdopen(reader):
        text += line
        if found := re.search(r"fitting the reference classifier: images: ([\\d,]+) of", line):
            done = int(found[1].replace(",", ""))
            first = first or done
            if number and done >= first + 160:
                os.kill(child, number)
                number = 0
    _, status = os.waitpid(child, 0)
    results.append([os.waitstatus_to_exitcode(status), first, text])
print(json.dumps(results))
"""


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_stopped_command_continues_the_fit_to_the_same_file(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for kind, count in (("real", 12), ("made", 2)):
        for label, name in enumerate(("dark", "light")):
            (tmp_path / kind / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(60 * label, 60 * label + 120, (8, 8)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / kind / name / f"{number}.png")
    words = ["evaluate", "made", "--data", "real", "--extractor", "none", "--out", "report"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (first, second, third, whole) = json.loads(done.stdout)
    assert [first[0], second[0], third[0], whole[0]] == [130, 143, 0, 0], done.stdout
    assert first[1] == whole[1]
    assert first[1] < second[1] < third[1], "each continues where the one before stopped"
    for _, _, text in (first, second):
        assert text.splitlines()[-1].startswith("acgan: stopped")
        assert "Traceback" not in text
    assert "the fit of the reference classifier" in third[2]
    fitted, again = (
        next((tmp_path / folder / "reference-classifiers").glob("[0-9a-f]*.safetensors"))
        for folder in ("a", "b")
    )
    assert fitted.name == again.name
    assert fitted.read_bytes() == again.read_bytes()
    assert not list((tmp_path / "a").rglob("*.unfinished"))
