"""What reports draw of one fitted method: small arrays, computed where the method is, drawn where it is not.

`pictures(method, view)` gives for each kind of picture that method and data allow its arrays by name.
Arrays named `images` are bytes (rows, columns, features), 0 and 255 being the data's smallest and largest values.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.pictures import curves, images, layouts, planes
from bench.pictures.distances import distances
from bench.pictures.subject import Arrays, Subject
from metrics.catalog.geodesics import distance_kinds
from metrics.view import View

log = logging.getLogger(__name__)


# kind: (whether method and data have it, its arrays)
KINDS: Mapping[str, tuple[Callable[[Subject], bool], Callable[[Subject], Arrays]]] = {
    "curve": (lambda subject: subject.curve_in_plane, curves.curve),
    "line": (lambda subject: subject.has_images and subject.d == 1, images.line),
    "reconstructions": (lambda subject: subject.has_images, images.reconstructions),
    "prior": (lambda subject: subject.has_images and subject.has_normal_prior, images.prior_samples),
    "interpolations": (lambda subject: subject.has_images and len(subject.view.rows) > 1, images.interpolations),
    "arithmetic": (images.has_two_labels, images.attribute_arithmetic),
    "traversal": (lambda subject: subject.has_images and subject.d == 2, images.traversal),
    "tweaks": (lambda subject: subject.has_images and subject.d > 1, images.tweaks),
    "uncertainty": (lambda subject: subject.view.deviation is not None and subject.d == 2, planes.uncertainty),
    "geodesics": (lambda s: bool(s.view.own_decoders) and s.d == 2 and len(s.view.rows) > 1, planes.geodesic_curves),
    "distances": (lambda subject: len(subject.view.rows) > 10, distances),
    "layout": (lambda subject: subject.d > 2 and len(subject.view.rows) > 10, layouts.latent_layout),
    "proxy-layout": (
        lambda subject: subject.view.proxy_features is not None and len(subject.view.rows) > 10,
        layouts.proxy_layout,
    ),
}


def pictures(method: Any, view: View) -> dict[str, Arrays]:
    """The arrays of each kind of picture; a kind that fails is left out and noted in the log."""
    subject = Subject(method, view)
    found = {}
    for kind, (applies, make) in KINDS.items():
        try:
            if applies(subject):
                found[kind] = make(subject)
        except Exception:
            log.warning("no picture of %s", kind, exc_info=True)
    return found


def of_group(views: Sequence[View]) -> Arrays:
    """Distances of the same pairs by each of the models (models, pairs); none where no metric asked for geodesics."""
    if len(views) < 2 or not all("geodesics" in vars(view) for view in views):
        return {}
    kinds = distance_kinds(views)
    return {f"stability.{kind.lstrip('_') or 'geodesic'}": lengths for kind, lengths in kinds.items()}


def frame(method: Any, view: View) -> tuple[str, Arrays] | None:
    """The one picture that shows how a model learns, kind and arrays; None where its codes cannot be drawn."""
    subject = Subject(method, view)
    for kind in ("curve", "line"):
        applies, make = KINDS[kind]
        if applies(subject):
            return kind, make(subject)
    return ("codes", {"Z": view.Z, **subject.colours()}) if subject.d == 2 else None
