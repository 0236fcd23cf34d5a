"""Exact nearest neighbors among tens of thousands of images, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from scipy.spatial.distance import cdist

from acgan.metrics.arrays import Array, Float32Array, Float64Array, Int64Array, blocks

if TYPE_CHECKING:
    from torch import Tensor

_AXES = 192  # principal axes of the bound; the rest of a row counts by its length
_FITTED_TO = 256, 1024  # rows that axes are fitted to; any orthonormal axes give a true bound
_QUERIES, _BASE, _GROUP = 256, 4096, 64  # one block of bounds stays in the processor's cache
_BOUNDS = 1 << 26  # bounds held at a time: 256 MiB
_CANDIDATES = (8, 64, 512)  # compared exactly, more if fewer do not suffice
_SLACK = 1e-4  # of the squared lengths: far above float32's rounding of a bound
_DIRECT = 1 << 22  # numbers that one exact comparison holds at a time


@final
@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest row of the base to each of N queries.

    Attributes:
        index: int64 (N,), in the base; the first of several equally near ones that were compared.
        distance: float64 (N,), Euclidean.
    """

    index: Int64Array
    distance: Float64Array


@final
class NearestSearch:
    """Exact search for the nearest of M rows.

    Rows are reduced to their coordinates p along principal axes and the length ρ of the rest.
    Since |x − y|² ≥ |p_x − p_y|² + (ρ_x − ρ_y)², distances of these short vectors, one matrix
    product in float32, are lower bounds. True distances are then computed in float64, in the order
    of the bounds, until the next bound exceeds the smallest distance found.
    """

    def __init__(self, base: Array) -> None:
        """Prepare a search of (M, …), M ≥ 1, uint8 or floating, flattened to rows; not copied."""
        from torch import inf
        from torch.nn.functional import pad

        self._base = _flat(base)
        if not len(self._base):
            raise ValueError("the base has no rows to search; give at least one")
        fewest, most = _FITTED_TO
        fitted = min(most, max(fewest, len(base) // 8))
        some = self._base[:: max(1, len(base) // fitted)][:fitted].astype(np.float64)
        self._mean = some.mean(axis=0)
        self._axes = None if some.shape[1] <= _AXES + 1 else _principal_axes(some - self._mean)
        reduced = self._reduced(self._base)
        lengths = reduced.square().sum(dim=1)
        self._longest = float(lengths.max())
        size = min(_BASE, len(reduced) + -len(reduced) % _GROUP)
        padding = -len(reduced) % size  # to whole blocks, of infinite length
        rows = pad(reduced, (0, 0, 0, padding))
        self._rows = rows.view(-1, size, rows.shape[1])  # (blocks, rows of a block, axes + 1)
        far = pad(lengths, (0, padding), value=inf)
        self._lengths = far.view(-1, size)

    def nearest(self, queries: Array, *, skip: Int64Array | None = None) -> Nearest:
        """Return the nearest row to each query, exact up to rounding in float64.

        Args:
            queries: (N, …), of the base's width when flattened.
            skip: int64 (N,), a row to exclude for each query: its own index, if the queries are
                rows of the base (which then has at least two).
        """
        import torch

        flat = _flat(queries)
        if flat.shape[1] != self._base.shape[1]:
            raise ValueError(f"queries of {flat.shape[1]} numbers, rows of {self._base.shape[1]}")
        if skip is not None and len(self._base) < 2:
            raise ValueError("with the only row skipped there is nothing to search; give two rows")
        skipped = np.full(len(flat), -1, np.int64) if skip is None else skip
        index = np.full(len(flat), -1, np.int64)
        squared = np.full(len(flat), np.inf)
        if not len(flat):
            return Nearest(index, squared)
        count, size = self._lengths.shape
        step = max(1, min(_QUERIES, len(flat), _BOUNDS // (count * size)))
        bounds = torch.empty(count, step, size)
        for part in blocks(len(flat), step):
            index[part], squared[part] = self._of_block(flat[part], skipped[part], bounds)
        return Nearest(index, np.sqrt(squared))

    def _of_block(
        self, queries: Array, skip: Int64Array, bounds: Tensor
    ) -> tuple[Int64Array, Float64Array]:
        """Index and squared distance for at most ``_QUERIES`` queries (n, F), with skip (n,).

        ``bounds`` is a buffer of at least (blocks, n, rows of a block), allocated once.
        """
        import torch

        reduced = self._reduced(queries)
        lengths = reduced.square().sum(dim=1)
        bounds = bounds[:, : len(queries)]
        minima = []
        for block, rows, their in zip(bounds, self._rows, self._lengths, strict=True):
            torch.addmm(their, reduced, rows.T, alpha=-2, out=block)
            minima.append(block.view(len(queries), -1, _GROUP).amin(dim=2))
        groups = torch.cat(minima, dim=1)
        slack = _SLACK * (lengths + self._longest)
        offset = (lengths - slack).double().numpy()
        index = np.full(len(queries), -1, np.int64)
        squared = np.full(len(queries), np.inf)
        open_ = np.arange(len(queries))
        for wanted in _CANDIDATES:
            count = min(wanted, len(self._base))
            places, values = _smallest(bounds, groups, open_, count)
            values = values + offset[open_, None]
            done = np.zeros(len(open_), np.bool_)
            for rank in range(count):
                done |= values[:, rank] > squared[open_]
                at = np.flatnonzero(~done & (places[:, rank] != skip[open_]))
                query, place = open_[at], places[at, rank]
                difference = queries[query].astype(np.float64) - self._base[place]
                exact = np.einsum("nf,nf->n", difference, difference)
                nearer = exact < squared[query]
                index[query[nearer]], squared[query[nearer]] = place[nearer], exact[nearer]
            open_ = open_[~done] if count < len(self._base) else open_[:0]
            if not len(open_):
                break
        for row in open_:  # the bounds are too similar, so compare all rows
            exact = self._distances(queries[row])
            exact[skip[row]] = np.inf if skip[row] >= 0 else exact[skip[row]]
            index[row] = exact.argmin()
            squared[row] = exact[index[row]]
        return index, squared

    def _distances(self, query: Array) -> Float64Array:
        """Squared distances of one query to every row."""
        step = max(1, _DIRECT // max(1, self._base.shape[1]))
        parts = (self._base[part] for part in blocks(len(self._base), step))
        return np.hstack([cdist(query[None], part, "sqeuclidean")[0] for part in parts])

    def _reduced(self, rows: Array) -> Tensor:
        """float32 (N, axes + 1): coordinates along the axes, and the length of the rest."""
        import torch

        if self._axes is None:
            return self._centered(rows)
        axes = torch.from_numpy(self._axes)
        result = torch.empty(len(rows), axes.shape[1] + 1)
        for part in blocks(len(rows), _BASE):
            centered = self._centered(rows[part])
            along = torch.mm(centered, axes, out=result[part, :-1])
            left = centered.square().sum(dim=1) - along.square().sum(dim=1)
            result[part, -1] = left.clamp_(min=0).sqrt_()
        return result

    def _centered(self, rows: Array) -> Tensor:
        import torch

        precision = np.result_type(rows.dtype, np.float32)  # float64 is rounded after centering
        centered = rows.astype(precision) - self._mean.astype(precision)
        return torch.from_numpy(centered.astype(np.float32, copy=False))


def _flat(rows: Array) -> Array:
    return rows.reshape(len(rows), int(np.prod(rows.shape[1:])))


def _principal_axes(centered: Float64Array) -> Float32Array:
    """Orthonormal axes (F, at most ``_AXES``) of largest variance."""
    _, vectors = np.linalg.eigh(centered @ centered.T)
    axes, _ = np.linalg.qr(centered.T @ vectors[:, ::-1][:, :_AXES])
    return np.ascontiguousarray(axes, dtype=np.float32)


def _smallest(
    bounds: Tensor, groups: Tensor, rows: Int64Array, count: int
) -> tuple[Int64Array, Float64Array]:
    """Indices and values of the smallest bounds of some queries, ascending.

    The ``count`` smallest are among the ``count`` groups with the smallest minima.
    """
    import torch

    size = bounds.shape[2]
    chosen = torch.from_numpy(rows)
    best = groups[chosen].topk(min(count, groups.shape[1]), largest=False).indices
    members = (best[:, :, None] * _GROUP + torch.arange(_GROUP)).flatten(1)
    values = bounds[members // size, chosen[:, None], members % size]
    smallest, order = values.topk(count, largest=False, sorted=True)
    return members.gather(1, order).numpy(), smallest.double().numpy()
