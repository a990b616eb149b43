"""Points on the land of the Earth."""

from __future__ import annotations

import numpy as np

from datasets.base import Array, Data, sampler
from datasets.manifolds import great_circle

# Coarse outlines of the continents, longitude and latitude in degrees, drawn by hand.
_OUTLINES: dict[str, tuple[list[tuple[int, int]], ...]] = {
    "Africa": (
        [(-6, 35), (10, 37), (20, 32), (32, 31), (35, 24), (43, 12), (51, 12), (42, -1), (40, -10), (35, -20),
         (32, -28), (26, -34), (18, -34), (12, -18), (13, -6), (9, 1), (8, 5), (-4, 5), (-8, 4), (-13, 9), (-17, 15),
         (-16, 22), (-10, 30)],
    ),
    "Antarctica": (
        [(-180, -90), (-180, -78), (-150, -76), (-100, -73), (-70, -70), (-58, -64), (-62, -74), (-35, -78),
         (-10, -71), (50, -67), (110, -66), (150, -69), (170, -72), (165, -78), (180, -78), (180, -90)],
    ),
    "Asia": (
        [(60, 51), (60, 69), (72, 73), (105, 77), (140, 73), (180, 69), (178, 63), (163, 60), (157, 51), (155, 58),
         (142, 59), (135, 54), (141, 50), (130, 43), (128, 35), (125, 40), (118, 39), (122, 31), (114, 22), (108, 21),
         (109, 12), (105, 9), (100, 13), (104, 1), (99, 7), (97, 16), (92, 22), (86, 20), (80, 15), (77, 8), (72, 20),
         (67, 25), (57, 27), (51, 29), (51, 25), (60, 22), (55, 17), (45, 13), (39, 21), (35, 28), (36, 36), (27, 37),
         (27, 40), (41, 41), (49, 41), (53, 37), (53, 46)],
    ),
    "Europe": (
        [(-9, 37), (-9, 43), (-2, 44), (-4, 48), (4, 52), (8, 57), (5, 60), (12, 66), (25, 71), (40, 67), (60, 69),
         (60, 51), (53, 46), (47, 45), (38, 47), (30, 46), (28, 42), (24, 40), (23, 37), (19, 41), (13, 45), (18, 40),
         (16, 38), (9, 44), (3, 43), (-1, 37), (-5, 36)],
    ),
    "North America": (
        [(-168, 65), (-162, 70), (-140, 70), (-115, 68), (-95, 69), (-82, 69), (-93, 60), (-82, 55), (-79, 52),
         (-77, 61), (-65, 59), (-56, 52), (-65, 46), (-70, 43), (-76, 36), (-81, 31), (-80, 25), (-83, 29), (-90, 30),
         (-97, 27), (-97, 21), (-91, 18), (-87, 21), (-88, 16), (-83, 10), (-78, 8), (-86, 12), (-95, 16), (-105, 20),
         (-113, 31), (-117, 33), (-124, 40), (-124, 48), (-135, 58), (-150, 60), (-162, 56)],
        [(-44, 60), (-52, 65), (-58, 75), (-70, 78), (-45, 82), (-20, 81), (-22, 70), (-38, 66)],
    ),
    "Oceania": (
        [(114, -22), (122, -18), (131, -12), (136, -12), (141, -17), (142, -11), (146, -19), (153, -26), (150, -37),
         (144, -39), (138, -34), (131, -31), (124, -33), (116, -35)],
    ),
    "South America": (
        [(-78, 8), (-72, 12), (-62, 10), (-51, 4), (-44, -2), (-35, -6), (-39, -15), (-41, -22), (-48, -26),
         (-54, -34), (-62, -39), (-65, -43), (-68, -52), (-74, -52), (-74, -42), (-71, -30), (-70, -18), (-76, -14),
         (-81, -5), (-79, 1)],
    ),
}  # fmt: skip
CONTINENTS = tuple(_OUTLINES)


class Earth:
    """Points on land, uniform by area, on the unit sphere in space; labels are the continents in alphabetical order.

    Geodesics are great circles, over land and sea alike. `intrinsic` holds longitude and latitude (degrees), which are
    no isometry: near a pole degrees of longitude are short. Outlines are coarse, without islands but Greenland.

    Source: the Earth of Nazari, Damrich and Hamprecht, Geometric Autoencoders, ICML 2023; outlines are our own.
    """

    def __init__(self, n: int = 2000, random_state: int = 0) -> None:
        self.n = n
        self.random_state = random_state

    def load(self) -> Data:
        rng = sampler(self.n, self.random_state)
        # Less than a third of the sphere is land.
        kept = [_on_land(rng, 8 * self.n)]
        while sum(len(labels) for _, labels in kept) < self.n:
            kept.append(_on_land(rng, 8 * self.n))
        place = np.concatenate([places for places, _ in kept])[: self.n]
        y = np.concatenate([labels for _, labels in kept])[: self.n]
        longitude, latitude = np.radians(place).T
        unit = np.column_stack([
            np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)
        ])  # fmt: skip
        return Data(unit, y=y, intrinsic=place, geodesic=great_circle(unit, 1.0))


def _on_land(rng: np.random.Generator, n_drawn: int) -> tuple[Array, Array]:
    """Those of so many points of the sphere that are on land (longitude and latitude), and their continents."""
    place = np.column_stack([
        360 * rng.random(n_drawn) - 180, np.degrees(np.arcsin(2 * rng.random(n_drawn) - 1))
    ])  # fmt: skip
    inside = np.array([
        np.any([_inside(place, np.asarray(outline, dtype=np.float64)) for outline in outlines], axis=0)
        for outlines in _OUTLINES.values()
    ])  # fmt: skip
    on_land = inside.any(0)
    return place[on_land], inside.argmax(0)[on_land]


def _inside(points: Array, outline: Array) -> Array:
    """Whether points (n, 2) lie in a polygon (k, 2): whether a ray to the east crosses it an odd number of times."""
    (x1, y1), (x2, y2) = outline.T, np.roll(outline, -1, axis=0).T
    x, y = points[:, :1], points[:, 1:]
    straddles = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
    return np.asarray((straddles & (x < crossing)).sum(1) % 2 == 1)
