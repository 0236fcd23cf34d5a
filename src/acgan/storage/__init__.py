"""Durable writes: a kill or a full disk loses nothing that was saved before.

Below everything else: it knows files and folders, and nothing of tensors, configs or training.
"""

from acgan.storage.disk import disk_errors, human_size
from acgan.storage.files import (
    file_sha256,
    make_folder,
    remove_leftovers,
    sync_folder,
    write_atomic,
    write_file,
)
from acgan.storage.folders import (
    commit_folder,
    recover_folder,
    remove_folder,
    replace_folder,
)
from acgan.storage.line_log import LineLog
from acgan.storage.manifest import (
    CorruptFolderError,
    read_record,
    update_record,
    verify_folder,
)

__all__ = [
    "CorruptFolderError",
    "LineLog",
    "commit_folder",
    "disk_errors",
    "file_sha256",
    "human_size",
    "make_folder",
    "read_record",
    "recover_folder",
    "remove_folder",
    "remove_leftovers",
    "replace_folder",
    "sync_folder",
    "update_record",
    "verify_folder",
    "write_atomic",
    "write_file",
]
