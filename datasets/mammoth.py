"""The skeleton of a mammoth, as points in space."""

from __future__ import annotations

import json

import numpy as np

from datasets.base import Data, choose_rows
from datasets.files import fetch


class Mammoth:
    """10,000 points on the skeleton of a woolly mammoth, in R^3. `n` draws so many once, by a fixed seed.

    No geodesics are known in closed form.

    Source: The Smithsonian Institution; points by Coenen and Pearce, Understanding UMAP (PAIR), Apache-2.0.
    """

    url = "https://raw.githubusercontent.com/PAIR-code/understanding-umap/master/raw_data/mammoth_3d.json"
    sha256 = "90791933d127a82a324189dbc914f6c6ddd2eebca6f99d44e5955543f6892edd"

    def __init__(self, n: int | None = None) -> None:
        self.n = n

    def load(self) -> Data:
        path = fetch("mammoth/mammoth_3d.json", self.url, f"sha256:{self.sha256}")
        try:
            points = np.asarray(json.loads(path.read_text()), dtype=np.float32)
        except ValueError as error:
            raise ValueError(f"{path}: not the mammoth's JSON list of points: {error}") from error
        return Data(points[choose_rows(len(points), self.n)])
