"""The version of acgan, as it stands in saved files and on model cards."""

from __future__ import annotations

__version__ = "0.1.0"
