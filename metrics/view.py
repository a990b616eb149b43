"""What a metric may ask for about one fitted model, computed when first asked and shared by all metrics."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from metrics.coranking import CoRanking
    from metrics.geodesics import Geodesics
    from metrics.pairs import PairSums
    from metrics.reference import Reference

Array = np.ndarray

MAX_PAIRS = 20_000
GEODESIC_PAIRS = 50
# Of curves of decoder ensembles (Syrota et al. 2024).
PUBLISHED_SEGMENTS = 256
# Codes of training rows that paths between the ends of a geodesic may go through.
MAX_STOPS = 500
MIXUP_REACH = 0.2
# Sizes of neighbourhoods that are counted by point in one pass.
COMMON_K = (5, 10, 15, 20, 30, 50, 100)


# What a metric may need, and what is said where it is absent.
NEEDS = {
    "reconstruction": "the method has no decoder",
    "decoder": "the method has no differentiable decoder",
    "spread": "the scored rows are all alike",
    "labels": "the data set has no labels",
    "intrinsic": "the data set has no intrinsic coordinates",
    "geodesic": "the data set has no exact geodesics",
    "curve": "the data do not lie on a curve: they have no single intrinsic coordinate",
    "proxy": "the method has no proxy of the data",
    "deviation": "the method does not say how sure its decoder is",
    "encode": "the method cannot encode new points",
}
_ATTRIBUTES = {"labels": "y", "intrinsic": "intrinsic", "geodesic": "geodesic", "curve": "intrinsic"}
# What only some methods can, by the name of the need and of the method's function.
OPTIONAL_ABILITIES = {"proxy": "proxy_features", "deviation": "deviation", "encode": "encode"}
_OF_THE_METHOD = {"reconstruction": "decode", "decoder": "own_decoders", **OPTIONAL_ABILITIES}


def missing_from_data(data: Any, need: str, split: str = "test") -> str | None:
    """Why a need is not met by a data set, or None where it is, or where it does not concern the data."""
    if need == "spread":
        X = data.X[data.rows(split)]
        return NEEDS[need] if (X[0] == X).all() else None
    attribute = _ATTRIBUTES.get(need)
    if attribute is None:
        return None
    found = getattr(data, attribute)
    if found is None or (need == "curve" and found.shape[1:] != (1,)):
        return NEEDS[need]
    return None


def too_few_rows(data: Any, least_rows: Mapping[str, int], split: str = "test") -> str | None:
    """Why a metric cannot be had of a data set that is too small for it, or None where it is large enough.

    Args:
        least_rows: rows that the 'scored' split and the 'train' split must have.
        split: the scored one.
    """
    for which, least in least_rows.items():
        rows = len(data.rows(split if which == "scored" else which))
        if rows < least:
            return f"needs {least} {which} rows, there are {rows}"
    return None


def least_rows_of(metric: Any) -> Mapping[str, int]:
    """A metric's `least_rows`; a third party's may have none."""
    found: Mapping[str, int] = getattr(metric, "least_rows", {})
    return found


class NotApplicableError(Exception):
    """A metric cannot be computed for this model on this data; the message says why."""


@dataclass(frozen=True, eq=False)
class View:
    """One fitted model, seen from one split of its data.

    Attributes:
        data: the data set, with the attributes of `datasets.base.Data`.
        split: the scored split. 'train' for a method that cannot encode new points.
        Z: latent points of that split (n, d). Z_train: those of the training split.
        decode: maps latent arrays to the data space; None where the method has no decoder.
        own_decoders: the method's differentiable decoders (several for an ensemble), or empty.
        fit_attached: fits the common attached decoder to (Z_train, X_train).
        proxy_features: maps data to the proxy whose distances the method follows, or None.
        deviation: maps latent points to the predictive standard deviation of each feature, or None.
        encode: maps data to latent points, or None.
        known: gives what was computed before of the scored points alone, or None.
        attached_floor: gives the mean condition number of the common decoder where the true one is 1, or None.
        known_geodesics: gives the arrays of the model's geodesics where they were found before, or None.
    """

    data: Any
    split: str
    Z: Array
    Z_train: Array
    decode: Callable[[Array], Array] | None
    own_decoders: tuple[Any, ...]
    fit_attached: Callable[[], torch.nn.Module]
    proxy_features: Callable[[Array], Array] | None = None
    deviation: Callable[[Array], Array] | None = None
    encode: Callable[[Array], Array] | None = None
    known: Callable[[], Reference] | None = None
    attached_floor: Callable[[], float | None] | None = None
    known_geodesics: Callable[[], Mapping[str, Array] | None] | None = None

    def missing(self, need: str) -> str | None:
        """Why a metric's need is not met, or None where it is."""
        if need in _OF_THE_METHOD:
            return None if getattr(self, _OF_THE_METHOD[need]) else NEEDS[need]
        return missing_from_data(self.data, need, self.split)

    @cached_property
    def rows(self) -> Array:
        return self.data.rows(self.split)

    @cached_property
    def X(self) -> Array:
        return self.data.X[self.rows]

    @cached_property
    def codes_are_data(self) -> bool:
        """Whether nothing was learned: each row is its own code."""
        return self.Z.shape == self.X.shape and bool((self.Z == self.X).all())

    @cached_property
    def X_hat(self) -> Array:
        if self.decode is None:
            raise NotApplicableError("the method has no decoder")
        X_hat = np.asarray(self.decode(self.Z))
        if X_hat.shape != self.X.shape:
            raise ValueError(f"decode gives shape {X_hat.shape}, {self.X.shape} is needed")
        if not np.isfinite(X_hat).all():
            raise ValueError("decode gives values that are not finite")
        return X_hat

    @cached_property
    def decoders(self) -> tuple[Any, ...]:
        """Copies of the method's decoders for evaluation, in double precision."""
        import torch

        def exact(decoder: Any) -> Any:
            return copy.deepcopy(decoder).double().eval() if isinstance(decoder, torch.nn.Module) else decoder

        return tuple(exact(decoder) for decoder in self.own_decoders)

    @cached_property
    def latent(self) -> torch.Tensor:
        """Z in double precision, on the decoders' device."""
        import torch

        from metrics.geometry import first_parameter

        parameter = first_parameter(self.decoders)
        return torch.as_tensor(self.Z, dtype=torch.float64, device=None if parameter is None else parameter.device)

    @cached_property
    def mixup_latent(self) -> torch.Tensor:
        """Points between (and a little beyond) pairs of Z, as IRVAE's regulariser samples them."""
        rng = np.random.default_rng(0)
        partner = rng.permutation(len(self.Z))
        alpha = rng.uniform(-MIXUP_REACH, 1 + MIXUP_REACH, size=(len(self.Z), 1))
        return self.latent.new_tensor(alpha * self.Z + (1 - alpha) * self.Z[partner])

    @cached_property
    def metric_tensor(self) -> torch.Tensor:
        """Pullback metric at Z (n, d, d)."""
        import torch

        from metrics.geometry import pullback_metric

        with torch.no_grad():
            return pullback_metric(self.decoders, self.latent)

    @cached_property
    def attached_decoder(self) -> torch.nn.Module:
        """The common decoder fitted to this model's layout, in double precision."""
        return self.fit_attached()

    @cached_property
    def attached_metric_tensor(self) -> torch.Tensor:
        """Pullback metric of the common attached decoder at Z (n, d, d)."""
        import torch

        from metrics.geometry import pullback_metric

        decoder, z = self.attached_decoder, self._for_attached
        with torch.no_grad():
            return pullback_metric(decoder, z)

    @cached_property
    def attached_X_hat(self) -> Array:
        """What the common attached decoder makes of Z (n, n_features)."""
        import torch

        decoder, z = self.attached_decoder, self._for_attached
        with torch.no_grad():
            decoded: Array = decoder(z).cpu().numpy()
        return decoded

    @property
    def _for_attached(self) -> torch.Tensor:
        import torch

        return torch.as_tensor(self.Z, dtype=torch.float64, device=next(self.attached_decoder.parameters()).device)

    @cached_property
    def squared_deviations(self) -> Array:
        """From the training mean, all that a decoder without a code can give; by scored point (n,), feature mean."""
        mean = self.data.X[self.data.train].mean(axis=0, dtype=np.float64)
        return np.concatenate([np.square(part - mean).mean(axis=1) for part in _chunks(self.X)])

    @cached_property
    def squared_errors(self) -> Array:
        """Of decode(encode(x)); by scored point (n,), feature mean."""
        pairs = zip(_chunks(self.X), _chunks(self.X_hat), strict=True)
        return np.concatenate([np.square(x.astype(np.float64) - decoded).mean(axis=1) for x, decoded in pairs])

    @cached_property
    def affine(self) -> bool:
        """Whether the method's decoder is an affine map, whatever it has learned."""
        from metrics.geometry import is_affine

        return is_affine(self.decoders, self.latent)

    @cached_property
    def pairs(self) -> tuple[Array, Array]:
        """Positions in the split of all pairs of points, or of so many pairs drawn by a fixed seed."""
        n = len(self.rows)
        if n * (n - 1) // 2 <= MAX_PAIRS:
            i, j = np.triu_indices(n, 1)
            return i, j
        rng = np.random.default_rng(0)
        i = rng.integers(0, n, MAX_PAIRS)
        return i, (i + rng.integers(1, n, MAX_PAIRS)) % n

    @cached_property
    def geodesic_pairs(self) -> tuple[Array, Array]:
        """Positions in the split of some pairs of distinct points, the same for all models of the data."""
        n = len(self.rows)
        rng = np.random.default_rng(0)
        i = rng.integers(0, n, GEODESIC_PAIRS)
        return i, (i + rng.integers(1, n, GEODESIC_PAIRS)) % n

    @cached_property
    def geodesics(self) -> Geodesics:
        """The model's geodesics between those pairs, through the training codes where that is shorter."""
        from metrics.geodesics import Geodesics

        known = None if self.known_geodesics is None else self.known_geodesics()
        return self._shortest_curves(0.0) if known is None else Geodesics.of_arrays(known, self.latent.device)

    @cached_property
    def agreed_geodesics(self) -> Geodesics:
        """Curves between those pairs that keep to where an ensemble's members agree: of least published energy.

        In expectation that is E + 2 T^2 integral V dt with T = 256 segments, V the variance over members.
        """
        return self._shortest_curves(2.0 * PUBLISHED_SEGMENTS**2)

    def _shortest_curves(self, uncertainty_weight: float) -> Geodesics:
        from metrics.geodesics import geodesics

        i, j = self.geodesic_pairs
        stops = np.random.default_rng(0).permutation(len(self.Z_train))[:MAX_STOPS]
        through = self.latent.new_tensor(self.Z_train[stops])
        ends = self.latent[i], self.latent[j]
        return geodesics(self.decoders, *ends, through=through, uncertainty_weight=uncertainty_weight)

    @cached_property
    def published_lengths(self) -> Array:
        """`metrics.geodesics.published_length` of the geodesics, at as many segments as published."""
        import torch

        from metrics.geodesics import published_length

        curves = self.geodesics.curve(torch.linspace(0, 1, PUBLISHED_SEGMENTS + 1, dtype=torch.float64))
        return published_length(self.decoders, curves).cpu().numpy()

    @cached_property
    def along_curve(self) -> Array:
        """Positions in the split of its points, in their order along the data's curve."""
        return np.argsort(self.data.intrinsic[self.rows, 0], kind="stable")

    @cached_property
    def decoded_curve(self) -> Array:
        """The curve that the codes of the training rows span, decoded (n, n_features)."""
        from metrics.curves import decoded_curve

        if self.decode is None:
            raise NotApplicableError(NEEDS["reconstruction"])
        self.require_codes_of_one_dimension()
        return decoded_curve(self.decode, self.Z_train)

    @property
    def true_curve(self) -> Array:
        """The test points in their order along the data's curve, which are clean where the data say so."""
        if self.split != "test":
            raise NotApplicableError(f"the true curve is that of the test points, scored are the {self.split} points")
        return self.X[self.along_curve]

    def require_codes_of_one_dimension(self) -> None:
        if self.Z.shape[1] != 1:
            raise NotApplicableError(f"a curve has one latent dimension, this model {self.Z.shape[1]}")

    @cached_property
    def reference(self) -> Reference:
        """What belongs to the scored points alone."""
        from metrics.reference import Reference

        return Reference(self.X) if self.known is None else self.known()

    @property
    def queries(self) -> Array | None:
        """Which of the scored points were compared with all others, where not all were; None too where none was yet."""
        reference: Reference | None = vars(self).get("reference")
        return None if reference is None else reference.rows

    @cached_property
    def coranking(self) -> CoRanking:
        """Ranks of the scored points in data and code, compared for all sizes of neighbourhoods, by point for some."""
        from metrics.coranking import coranking

        return coranking(self.reference, self.Z, [k for k in COMMON_K if k < len(self.Z) / 2])

    @cached_property
    def neighbourhoods(self) -> Callable[[int], CoRanking]:
        """`coranking`, by point also for a k that is not common; each k is computed once."""
        from functools import cache

        from metrics.coranking import coranking

        @cache
        def by_point_for(k: int) -> CoRanking:
            return self.coranking if k in self.coranking.tally.ks else coranking(self.reference, self.Z, [k])

        return by_point_for

    @cached_property
    def latent_points(self) -> Array:
        """Z in double precision, near the origin."""
        from metrics.products import points_of

        return points_of(self.Z)

    @cached_property
    def pair_sums(self) -> PairSums:
        """Sums over pairs of distances in data and code."""
        from metrics.pairs import pair_sums

        return pair_sums(self.reference.distances(), self.latent_points, self.reference.pairs)


def _chunks(rows: Array) -> list[Array]:
    """Rows in parts that take little memory in double precision."""
    return np.array_split(rows, max(1, rows.size // 4_000_000))
