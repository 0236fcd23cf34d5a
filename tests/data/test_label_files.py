"""Label files: each accepted form, and one sentence for each that has no single label per image."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acgan.data.label_files import is_label_file, read_labels
from acgan.errors import DataError

WANTED = {"a.png": "cat", "b, c.png": "big dog", "é.png": "cat"}
ROWS = list(WANTED.items())


def table(header: str, separator: str, quote: str = '"', end: str = "\n") -> str:
    return end.join([header, *(f"{quote}{f}{quote}{separator}{label}" for f, label in ROWS), ""])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("labels.csv", table("file_name,label", ",")),
        ("labels.csv", table("Image Name;Breed", ";", end="\r\n")),
        ("x/labels.csv", table("id,label", ",", end="\n\n")),
        ("labels.tsv", table("filename\tclass", "\t", quote="")),
        ("labels.csv", table("Image,Id", ",")),
        ("labels.csv", table("", ",").lstrip()),
        ("labels.csv", table("foo,bar", ",")),
        ("labels.csv", table("foo,label", ",")),
        ("labels.csv", "\ufeff" + table("file,class", ",")),
        ("labels.csv", "file,label\n" + "".join(f'"{f}",{x}\n' for f, x in ROWS + ROWS)),
        ("labels.csv", ",path,label,width\n" + "".join(f'0,"{f}",{x},9\n' for f, x in ROWS)),
        (
            "metadata.jsonl",
            "\n".join(json.dumps({"file_name": f, "label": x, "text": "t"}) for f, x in ROWS),
        ),
        ("metadata.JSONL", "\n".join(json.dumps({"label": x, "image": f}) for f, x in ROWS)),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_each_known_form_gives_the_same_labels(path: str, text: str, encoding: str) -> None:
    assert read_labels(path, text.encode(encoding)) == WANTED


def test_stylegan_s_labels_are_indices() -> None:
    text = b'{"labels": [["00000/img00000000.png", 1], ["00000/img00000001.png", 0]]}'
    assert read_labels("dataset.json", text) == {
        "00000/img00000000.png": "1",
        "00000/img00000001.png": "0",
    }
    assert read_labels("dataset.json", b'{"labels": null}') == {}


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        (
            "l.csv",
            "file,label\na.png,cat\na.png,dog",
            "'a.png' has the labels 'cat' and 'dog'; only",
        ),
        ("l.csv", "file,cat,dog\na.png,1,1", "several columns of labels ('cat', 'dog'); only"),
        (
            "l.csv",
            "file,a,b,c,d\na.png,1,1,0,0",
            "several columns of labels ('a', 'b', 'c' and 1 mo",
        ),
        (
            "l.csv",
            "file,label,class\na.png,1,cat",
            "several columns of labels ('label', 'class'); o",
        ),
        ("l.csv", "file,tags\na.png,haze primary", "line 2 has several labels for an image ('haze"),
        ("l.csv", "file,labels\na.png,'a;b'", "line 2 has several labels for an image"),
        ("l.csv", "file,finding\na.png,Mass|Nodule", "line 2 has several labels for an image"),
        ("m.jsonl", '{"file_name": "a.png", "label": [1, 2]}', "line 1 has no single label"),
        ("m.jsonl", '{"file_name": "a.png", "label": {"x": 1}}', "line 1 has no single label"),
        ("l.csv", "file,label\na.png,cat\nb.png,\n", "line 3 has no label for 'b.png'; complete"),
        ("m.jsonl", '{"file_name": "a.png", "label": null}', "line 1 has no label for 'a.png'"),
        ("l.csv", f"file,label\n{'a' * 999},\n", "line 2 has no label for 'aaa"),
        ("m.jsonl", '{"file": "%s", "label": null}' % ("a" * 999), "line 1 has no label for 'aaa"),
        ("l.csv", "file,label\n,cat\n", "line 2 has no file name"),
        ("l.csv", "file,label\na.png,cat,x\n", "line 2 has 3 fields, the first line 2"),
        ("l.csv", 'file,label\na.png,"cat', "line 2 cannot be read (unexpected end of data)"),
        ("l.csv", 'file,label\na.png,"cat,big"', "line 2 has several labels for an image ('cat,"),
        ("l.csv", "file,label\na.png,cat;big", "line 2 has several labels for an image"),
        ("l.csv", f"file,label\na.png,{'x' * 256}", "line 2 has a label of 256 bytes ('xxx"),
        ("m.jsonl", '{"file": "a.png", "label": "%s"}' % ("é" * 128), "a label of 256 bytes"),
        ("labels.txt", "a.png cat", "labels are read from CSV, TSV, JSON lines (.jsonl) and Style"),
        ("l.csv", "foo,bar\n1,cat\n2,dog", "it has no column of file names; name one file_name"),
        ("l.csv", "file,label\n", "it has no rows"),
        ("l.csv", "", "it has no rows"),
        ("l.csv", "age,sex\n1,f", "it has no column of file names; name one file_name"),
        ("l.csv", "file\na.png", "it has no column of labels; name one label"),
        ("metadata.csv", "file_name,text\na.png,a cat", "it has no column of labels"),
        ("l.csv", "file,label,split\na.png,cat,test", "its column 'split' would not be used"),
        ("l.csv", "file,file\na.png,cat", "two of its columns have the same name"),
        ("l.csv", "id,age\na,1\nb,2\nc,3", "each of its images has another label"),
        ("sample_submission.csv", "id,label\na.png,0", "a submission has no true labels"),
        ("m.jsonl", '{"file_name": "a.png"', "line 1: it is no JSON"),
        ("m.jsonl", '{"file_name": "a.png", "label": NaN}', "line 1: it contains NaN"),
        ("m.jsonl", "[1]", "line 1 is no JSON object"),
        ("m.jsonl", "[" * 100_000, "line 1: it is nested too deeply"),
        ("dataset.json", '{"images": []}', "it has no list of labels"),
        ("dataset.json", '{"labels": [["a.png", [0, 1]]]}', "entry 1 is not a file name with"),
        ("dataset.json", "[" * 100_000, "it is nested too deeply"),
        ("dataset.json", '{"labels": [["a.png", 1%s]]}' % ("0" * 5000), "has too many digits"),
        ("dataset.json", '{"labels": [["\\ud800.png", 1]]}', "its text is not UTF-8"),
        ("l.csv", f"file,label\n{'a' * 999},x\n{'a' * 999},y", "aaa…' has the labels 'x' and 'y'"),
        ("l.csv", "file,label\na\x1b[2J,x\na\x1b[2J,y", "'a\\x1b[2J' has the labels"),
        ("metadata.parquet", "PAR1", "labels are read from CSV, TSV, JSON lines"),
    ],
)
def test_what_gives_no_single_label_is_refused_with_a_sentence(
    path: str, text: str, words: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_labels(path, text.encode())
    assert str(caught.value).startswith(words) or words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_encoding_is_refused() -> None:
    with pytest.raises(DataError, match="it is not UTF-8; save it as UTF-8"):
        read_labels("labels.csv", "file,label\né.png,cat".encode("cp1252"))


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("a/metadata.csv", True),
        ("Train.CSV", True),
        ("labels.tsv", True),
        ("x.jsonl", True),
        ("dataset.json", True),
        ("manifest.json", False),
        ("labels.txt", True),
        ("list_attr_celeba.txt", True),
        ("identity_CelebA.txt", True),
        ("Annotations.XML", True),
        ("a/labels.json", True),
        ("labels.xlsx", True),
        ("README.txt", False),
        ("labels.png", False),
    ],
)
def test_names_of_label_files(path: str, known: bool) -> None:
    assert is_label_file(path) is known


@given(
    st.sampled_from(["labels.csv", "labels.tsv", "metadata.jsonl", "dataset.json"]),
    st.one_of(
        st.binary(max_size=60),
        st.text(alphabet='filename,label;\t"\n\r\0[]{}: 1.png\ud800', max_size=80).map(
            lambda text: text.encode("utf-8", "surrogatepass")
        ),
    ),
)
def test_any_content_gives_labels_or_a_sentence(path: str, data: bytes) -> None:
    try:
        labels = read_labels(path, data)
    except DataError:
        return
    assert all(file and label for file, label in labels.items())


@given(
    st.sampled_from(["is_", "data_", "my_", "train_", ""]),
    st.sampled_from(["split", "subset", "partition", "fold", "set", "test", "train", "validation"]),
    st.booleans(),
    st.booleans(),
)
def test_a_column_of_splits_is_never_dropped(
    before: str, word: str, upper: bool, named: bool
) -> None:
    column = (before + word).upper() if upper else before + word
    header = f"{'file' if named else 'foo'},{column},label"
    with pytest.raises(DataError, match=f"its column '{column}' would not be used"):
        read_labels("labels.csv", f"{header}\na.png,0,cat\nb.png,1,dog\n".encode())


@given(st.integers(1, 400) | st.just(60_000), st.sampled_from("xé語😀"))
def test_labels_have_at_most_the_bytes_of_a_folder_name(length: int, letter: str) -> None:
    label = letter * length
    text = f"file,label\na.png,{label}\n".encode()
    if len(label.encode()) <= 255:
        assert read_labels("labels.csv", text) == {"a.png": label}
        return
    with pytest.raises(DataError, match="has at most 255") as caught:
        read_labels("labels.csv", text)
    assert len(str(caught.value)) < 250
