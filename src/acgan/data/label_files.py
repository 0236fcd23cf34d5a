"""Label files: tables of images and their classes, and the images that their rows mean.

Known forms: CSV and TSV with a column of file names and a column of labels (``metadata.csv`` of
Hugging Face, ``labels.csv``, ``train.csv``), the same as JSON lines (``metadata.jsonl``), and
StyleGAN's ``dataset.json``. Each image has one label.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, final

from acgan.data.source import Split
from acgan.data.tree import (
    FileTree,
    is_image,
    name_of,
    normalized,
    parent_of,
    split_above,
    split_of,
)
from acgan.errors import DataError, brief, quoted, shown
from acgan.storage.json_reader import parse_json

_TABLES = {".csv": ",;\t|", ".tsv": "\t"}
_FILE_COLUMNS = (  # by priority
    *("file_name", "filename", "file_path", "filepath", "file_paths", "filepaths", "image_path"),
    *("image_name", "image_file", "image_filename", "file", "path", "image", "img", "image_id"),
    *("img_id", "fname", "id", "name"),
)
_LABEL_COLUMNS = {"label", "class", "class_name", "category", "target", "labels", "classes", "tags"}
_TEXT_COLUMNS = {"text", "caption", "description", "prompt", "url"}
_SPLIT_COLUMN = re.compile(
    r"(.*_)?(split|(data_?)?(sub)?set|fold|partition|usage|train(ing)?|val(id)?(ation)?|test)(_.*)?"
)
_SUFFIXES = {*_TABLES, ".jsonl", ".xlsx", ".xls", ".ods", ".xml"}
_NAMED = {".txt", ".json", ".parquet", ".mat", ".pkl", ".npy", ".yaml", ".yml"}  # with these words:
_WORDS = re.compile(r"label|annot|attr|meta_?data|class|categor|identit|ground_?truth|target")
_FORMS = "CSV, TSV, JSON lines (.jsonl) and StyleGAN's dataset.json"
_MOST_BYTES = 255  # of a label, as of a folder's name
_ONE = "only one label per image is supported"


def is_label_file(path: str) -> bool:
    """Return whether a file may be a label file, by its name; not every form can be read."""
    name = PurePosixPath(path.casefold())
    if name.suffix in _SUFFIXES or name.name == "dataset.json":
        return True
    return name.suffix in _NAMED and _WORDS.search(name.stem) is not None


def read_labels(path: str, data: bytes) -> dict[str, str]:
    r"""Return the label of each file name in a label file.

    Args:
        path: its path; the name decides about the form.
        data: its content; UTF-8, or UTF-16 with a byte order mark.

    Raises:
        DataError: it has no label for each file name, or several; the message has no path.

    >>> read_labels("labels.csv", b"file;label\na.png;cat\n")
    {'a.png': 'cat'}
    """
    name = PurePosixPath(path.casefold())
    if name.suffix not in (*_TABLES, ".jsonl") and name.name != "dataset.json":
        raise DataError(
            f"labels are read from {_FORMS}; save them as labels.csv with the columns file_name "
            "and label"
        )
    if "submission" in name.name:
        raise DataError("a submission has no true labels")
    text = _decoded(data)
    if name.suffix in _TABLES:
        rows = _table_rows(text, _TABLES[name.suffix])
    else:
        rows = _json_lines(text) if name.suffix == ".jsonl" else _stylegan_rows(text)
    labels: dict[str, str] = {}
    for where, file, label in rows:
        if not (file and label):
            missing = f"no label for {shown(file)}" if file else "no file name"
            raise DataError(f"{where} has {missing}; complete or remove it")
        if (size := len(label.encode(errors="replace"))) > _MOST_BYTES:
            raise DataError(
                f"{where} has a label of {size:,} bytes ({shown(label)}); a class name, as a "
                f"folder's, has at most {_MOST_BYTES}"
            )
        if labels.setdefault(file, label) != label:
            raise DataError(
                f"{shown(file)} has the labels {shown(labels[file])} and {shown(label)}; {_ONE}"
            )
    if not labels and name.suffix != ".json":  # StyleGAN's may be null: images without labels
        raise DataError("it has no rows")
    if 2 < len(labels) == len(set(labels.values())):
        raise DataError("each of its images has another label; a class needs several images")
    return labels


_Rows = Iterator[tuple[str, str, str]]  # where, file name, label


def _decoded(data: bytes) -> str:
    utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if utf_16 else "utf-8").lstrip("\ufeff")
    except UnicodeDecodeError:
        raise DataError("it is not UTF-8; save it as UTF-8") from None


def _table_rows(text: str, separators: str) -> _Rows:
    first = text.lstrip().partition("\n")[0]
    separator = max(separators, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    columns: tuple[str, str] | None = None
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            where = f"line {reader.line_num}"
            if not any(row):
                continue
            if not header:
                bare = list(map(is_image, row))
                header = ["file" if image else f"column {n}" for n, image in enumerate(bare, 1)]
                if not any(bare):
                    header = row
                    continue
            columns = columns or _columns(header, [*map(is_image, row)])
            if len(row) != len(header):
                raise DataError(f"{where} has {len(row)} fields, the first line {len(header)}")
            values = dict(zip(header, row, strict=True))
            file, label = columns
            yield where, values[file], _single(where, label, values[label])
    except csv.Error as error:
        raise DataError(f"line {reader.line_num} cannot be read ({error})") from None


def _json_lines(text: str) -> _Rows:
    columns = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where = f"line {number}"
        row = _json(line, f"{where}: ")
        if not isinstance(row, Mapping):
            raise DataError(f"{where} is no JSON object")
        file_column, label_column = columns = columns or _columns(
            list(row), [isinstance(value, str) and is_image(value) for value in row.values()]
        )
        label = row.get(label_column, "")
        if isinstance(label, float | Mapping | Sequence) and not isinstance(label, str):
            raise DataError(f"{where} has no single label in {shown(label_column)}; {_ONE}")
        file = str(row.get(file_column, ""))
        yield where, file, "" if label is None else _single(where, label_column, str(label).strip())


def _stylegan_rows(text: str) -> _Rows:
    content = _json(text)
    pairs = content.get("labels", 0) if isinstance(content, Mapping) else 0
    if not isinstance(pairs, list | None):
        raise DataError("it has no list of labels")
    for number, pair in enumerate(pairs or (), 1):
        match pair:
            case [str(file), int(label)]:
                yield f"entry {number}", file, str(label)
            case _:
                raise DataError(f"entry {number} is not a file name with the index of one class")


def _json(text: str, where: str = "") -> Any:
    content = text.encode()
    try:
        return parse_json(content, len(content))  # a container limits the size of its files
    except ValueError as error:
        raise DataError(f"{where}{error}") from None


def _columns(header: Sequence[str], images: Sequence[bool]) -> tuple[str, str]:
    """Return the names of the columns with file names and labels.

    Without a known name, file names are in the column of ``images``: its first cell names one.
    """
    plain = {re.sub(r"[\s-]+", "_", name.strip().casefold()): name for name in header}
    if len(plain) < len(header):
        raise DataError("two of its columns have the same name")
    file = next((name for name in _FILE_COLUMNS if name in plain), None)
    if file is None:
        file = next((name for name, image in zip(plain, images, strict=False) if image), None)
    if file is None:
        raise DataError("it has no column of file names; name one file_name")
    skipped = {file, "", *_TEXT_COLUMNS}
    others = [name for name in plain if name not in skipped and not name.startswith("unnamed:")]
    if split := next(filter(_SPLIT_COLUMN.fullmatch, others), None):
        raise DataError(
            f"its column {shown(plain[split])} would not be used; put the images of each "
            "split into a folder (train, test) and remove the column"
        )
    labels = [name for name in others if name in _LABEL_COLUMNS] or others
    if not labels:
        raise DataError("it has no column of labels; name one label")
    if len(labels) > 1:
        names = quoted(plain[name] for name in labels)
        raise DataError(f"it has several columns of labels ({names}); {_ONE}")
    return plain[file], plain[labels[0]]


def _single(where: str, column: str, label: str) -> str:
    several = r"[,;|\s]" if column.strip().casefold() == "tags" else r"^\[.*\]$|[,;|]"
    if re.search(several, label):
        raise DataError(
            f"{where} has several labels for an image ({shown(label)}); {_ONE} (for one name, "
            "write it without separators)"
        )
    return label


@final
class ImageLabels:
    """Labels of all label files, by the path of an image.

    Attributes:
        labels: label of each image.
        splits: split that the label file's name or folder gives to each image.
        names: the label files that name images.
        foreign: the label files that name none.
        missing: rows that name no file, each with its label file.
    """

    def __init__(self, tree: FileTree, tables: Mapping[str, Mapping[str, str]]) -> None:
        self.labels: dict[str, str] = {}
        self.splits: dict[str, Split] = {}
        self.names: list[str] = []
        self.foreign: list[str] = []
        self.missing: dict[str, str] = {}
        if not tables:
            return
        by_path = {normalized(path): path for path in tree.paths}
        by_end: dict[str, list[str]] = defaultdict(list)
        for key, path in by_path.items():
            by_end[name_of(key)].append(path)
            if is_image(path):
                by_end[PurePosixPath(key).stem].append(path)
        for table, rows in tables.items():
            if not rows:
                continue
            split = split_of(PurePosixPath(table).with_suffix("").as_posix())
            home = parent_of(table)
            home = f"{home}/" if home and any(map(is_image, tree.inside(home))) else ""
            missing = []
            found = False
            for row, label in rows.items():
                key = normalized(row)
                image = (
                    by_path.get(normalized(home + key))
                    or by_path.get(key)
                    or _unique(by_end.get(name_of(key), []), home, split, table, row)
                )
                if image is None:
                    missing.append(row)
                    continue
                found = True
                if self.labels.setdefault(image, label) != label:
                    raise DataError(
                        f"{shown(image)} has the labels {shown(self.labels[image])} and "
                        f"{shown(label)} in {quoted(dict.fromkeys([*self.names, table]))}; {_ONE}"
                    )
                self.splits[image] = split_above(image, split)
            (self.names if found else self.foreign).append(table)
            if found:
                self.missing |= dict.fromkeys(
                    missing, f"in {brief(table)}, but there is no such file"
                )


def _unique(
    paths: Sequence[str], home: str, split: Split | None, table: str, row: str
) -> str | None:
    """Return the file that a row means by its name alone."""
    near = [path for path in paths if path.startswith(home)]
    same = [path for path in near if split is not None and split_above(path, None) == split]
    left = same or near
    if len(left) > 1:
        raise DataError(
            f"{shown(row)} in {brief(table)} may be {shown(left[0])} or {shown(left[1])}; write "
            "the path of each image, relative to the label file"
        )
    return left[0] if left else None
