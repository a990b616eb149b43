"""The figures of a report, drawn from the models of a result folder and written beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.record import models
from bench.record.cells import Cell, Group
from bench.record.records import Record

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from reports.across import Ranking
    from reports.content import FrontPicture, Gallery, Picture
    from reports.figures import Embedding
    from reports.leaderboard import Board
    from reports.palette import Style
    from reports.tradeoff import Tradeoff

FOLDER = "figures"
QUALITY = ("knn_preservation", "reconstruction_mse", "mcn")
# Data sets in one figure.
_MOST_PANELS = 8

T = TypeVar("T")


@dataclass(frozen=True)
class Drawer:
    """Writes figures below a result folder: as PNG, which reports show, and in other formats.

    `style` is how each method is drawn, in every figure.
    """

    out: Path
    style: Mapping[str, Style]
    formats: tuple[str, ...] = ()

    def draw(
        self, name: str, title: str, alt: str, figure: Callable[..., Figure | None], *given: Any, dataset: str = ""
    ) -> list[Picture]:
        """Write a figure under a name of its own, where it does not stand there from an earlier report.

        Args:
            figure: what makes it of what is `given`, and it alone; None where there is nothing to draw.

        Returns:
            The one picture, or none.
        """
        from reports.content import Picture
        from reports.figures import PAPER

        path = f"{FOLDER}/{name}.png"
        there = self._write(self.out / path, PAPER, figure, *given)
        return [Picture(title, alt, path, dataset)] if there else []

    def _write(self, path: Path, dpi: int, figure: Callable[..., Figure | None], *given: Any) -> bool:
        """Whether there is such a figure, which then is in the file."""
        from reports.drawn import drawn_from, is_drawn
        from reports.figures import save

        key = drawn_from(figure, *given)
        if self._all_formats == ("png",) and is_drawn(path, key):
            return True
        made = figure(*given)
        if made is not None:
            save(made, path, self._all_formats, dpi, key)
            # Its parts refer to each other: their memory would only be had again once somebody looks for such.
            made.clear()
        return made is not None

    @property
    def _all_formats(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("png", *self.formats)))

    def embeddings(
        self, boards: Sequence[Board], records: Sequence[Record], lost: Mapping[str, str | None]
    ) -> list[Picture]:
        """Small multiples of each data set, of each method's first report seed, in the order of the boards.

        Args:
            lost: why a model is collapsed, by cell id.
        """
        from reports.figures import embeddings

        first = _first_of_each(_reported_models(records))
        drawn: list[Picture] = []
        for board in boards:
            pairs = [(board.dataset, row.method) for row in board.rows]
            cells = [first[pair] for pair in pairs if pair in first]
            panels = {cell.method: shown for cell in cells if (shown := self._panel(cell, lost)) is not None}
            if panels:
                heading = f"{board.dataset}: test points and equidistant ellipses"
                alt = (
                    f"Test points of {board.dataset} in the two latent dimensions of {', '.join(panels)}, one panel "
                    "each, coloured by label or first intrinsic coordinate, with ellipses of equal distance from their "
                    "centres."
                )
                title = f"Embeddings of {board.dataset}"
                name = f"embeddings-{board.dataset}"
                drawn += self.draw(name, title, alt, embeddings, panels, heading, dataset=board.dataset)
        return drawn

    def _panel(self, cell: Cell, lost: Mapping[str, str | None]) -> Embedding | None:
        from reports.figures import read_embedding

        found = read_embedding(models.model_folder(self.out, cell.id))
        return found if found is None or lost[cell.id] is None else replace(found, note="collapsed")

    def axes(self, boards: Sequence[Board], headline: Sequence[str]) -> list[Picture]:
        """Scores over each axis of the suite."""
        from reports.axes import axes_of, axis_figure

        drawn: list[Picture] = []
        for axis in axes_of(boards):
            title = f"{axis.dataset} over {axis.parameter}"
            alt = (
                f"Headline scores on {axis.dataset} against {axis.parameter}, a line for each of "
                f"{', '.join(axis.lines)}, with a band from the smallest to the largest seed."
            )
            name = f"axis-{axis.dataset}-{axis.parameter}"
            drawn += self.draw(name, title, alt, axis_figure, axis, boards, headline)
        return drawn

    def distances(self, boards: Sequence[Board], records: Sequence[Record]) -> list[Picture]:
        """Shepard diagrams, co-ranking matrices and scores over all scales, of each data set's models."""
        from reports.distances import distances_figure, scales_figure
        from reports.pictures import read_pictures

        first = _first_of_each(_reported_models(records))
        drawn: list[Picture] = []
        for board in boards:
            cells = [first[pair] for row in board.rows if (pair := (board.dataset, row.method)) in first]
            found = {c.method: read_pictures(models.model_folder(self.out, c.id)).get("distances") for c in cells}
            known = {method: arrays for method, arrays in found.items() if arrays is not None}
            if known:
                title = f"{board.dataset}: distances and ranks, in the data and in the code"
                alt = (
                    f"For {', '.join(known)} on {board.dataset}: a Shepard diagram, distances of pairs in the data "
                    "against those of their codes, and below it the co-ranking matrix, dark along the diagonal where "
                    "neighbours are kept."
                )
                name = f"distances-{board.dataset}"
                drawn += self.draw(name, title, alt, distances_figure, known, title, dataset=board.dataset)
            with_scales = {method: arrays for method, arrays in known.items() if "sizes" in arrays}
            if with_scales:
                title = f"{board.dataset}: neighbourhoods of all sizes"
                alt = (
                    f"Lines for {', '.join(with_scales)} on {board.dataset}: neighbourhoods kept beyond chance, "
                    "trustworthiness and continuity over the number of neighbours, on a logarithmic axis."
                )
                made = (scales_figure, with_scales, self.style, title)
                drawn += self.draw(f"scales-{board.dataset}", title, alt, *made, dataset=board.dataset)
        return drawn

    def seeds(self, boards: Sequence[Board], headline: Sequence[str]) -> list[Picture]:
        """Every seed as a point, for each data set."""
        from reports.dots import seeds_figure

        drawn: list[Picture] = []
        for board in boards:
            title = f"Every seed on {board.dataset}"
            alt = (
                f"Dot plots of the headline metrics on {board.dataset}: a row for each method, a point for each seed, "
                "a line at the mean; hollow points are not ranked."
            )
            made = (seeds_figure, board, headline, self.style)
            drawn += self.draw(f"seeds-{board.dataset}", title, alt, *made, dataset=board.dataset)
        return drawn

    def quality(self, boards: Sequence[Board]) -> list[Picture]:
        """Quality against time, where one of the metrics it shows was asked for."""
        from reports.figures import quality_against_time

        if not any(name in board.metrics for board in boards for name in QUALITY):
            return []
        alt = "Scores against seconds of fitting on a logarithmic axis, one point with its interval for each method."
        return [
            picture
            for part, some in _in_parts(boards)
            for picture in self.draw(
                f"quality-time{part}", "Quality against time", alt, quality_against_time, some, QUALITY, self.style
            )
        ]

    def tuning(
        self, frame: pd.DataFrame, selections: Sequence[Mapping[str, Any]], run: Mapping[str, Any]
    ) -> list[Picture]:
        """The best score so far after each trial, and what mattered, where one objective was tuned for."""
        from reports.tuning import best_so_far, importance_figure, importances, tuned, tuning_figure

        objectives = (run.get("tuning") or {}).get("objectives", ())
        trials = tuned(frame, selections, objectives[0]) if len(objectives) == 1 else []
        if not trials:
            return []
        curves = best_so_far(trials)
        alt = f"The best {objectives[0]} after each trial, a line for each tuned method, a panel for each data set."
        drawn = [
            picture
            for place, some in _in_parts(list(curves.items()))
            for picture in self.draw(
                f"tuning{place}", "Tuning", alt, tuning_figure, dict(some), objectives[0], self.style
            )
        ]
        title = f"Which hyperparameters {objectives[0]} depended on in tuning"
        alt = f"Bars: the share of {objectives[0]}'s variance over the search space that each parameter explains."
        for place, of_some in _in_parts(list(importances(trials).items())):
            drawn += self.draw(f"importance{place}", title, alt, importance_figure, dict(of_some), self.style)
        return drawn

    def kernels(self, frame: pd.DataFrame) -> Picture:
        """Timings of kernels."""
        from reports.kernels import kernel_figure

        alt = "How many times faster than the published form each form is, by kernel and batch size."
        (picture,) = self.draw("kernels", "Kernels", alt, kernel_figure, frame)
        return picture

    def fronts(self, tradeoffs: Sequence[Tradeoff]) -> list[FrontPicture]:
        """The trade-off of each data set."""
        from reports.content import FrontPicture
        from reports.fronts import front_figure

        found = []
        for tradeoff in tradeoffs:
            title = f"{tradeoff.dataset}: {' against '.join(axis.name for axis in tradeoff.axes)}"
            alt = f"Fronts of {', '.join(tradeoff.fronts)}: points for configurations and seeds, a band over seeds."
            (picture,) = self.draw(
                f"front-{tradeoff.dataset}", title, alt, front_figure, tradeoff, self.style, dataset=tradeoff.dataset
            )
            found.append(FrontPicture(tradeoff, picture))
        return found

    def critical_differences(self, ranks: Sequence[Ranking]) -> list[Picture]:
        """The diagrams of those metrics that enough data sets are complete for."""
        from reports.across_tables import critical_difference

        found: list[Picture] = []
        for ranking in ranks:
            if ranking.critical is not None:
                name = "-".join(filter(None, ["ranks", ranking.metric, ranking.among]))
                title = f"Critical difference: {ranking.metric} {ranking.among}".strip()
                alt = "Mean ranks of the methods on a line; a bar joins those that cannot be told apart."
                found += self.draw(name, title, alt, critical_difference, ranking)
        return found

    def galleries(self, records: Sequence[Record], lost: Mapping[str, str | None]) -> list[Gallery]:
        """The pictures of each reported method on each data set: of the first seed, and of all seeds together."""
        saved = models.saved(self.out)
        reported = [cell for cell in _reported_models(records) if cell.id in saved]
        first = _first_of_each(c for c in reported if models.has_pictures(models.model_folder(self.out, c.id)))
        groups = {
            (record.cell.dataset.name, record.cell.method): record.cell
            for record in records
            if isinstance(record.cell, Group) and record.status == "ok"
        }
        drawn = [self._gallery(model, groups.get(pair), lost[model.id] or "") for pair, model in sorted(first.items())]
        return [gallery for gallery in drawn if gallery.pictures]

    def _gallery(self, model: Cell, group: Group | None, lost: str) -> Gallery:
        from reports.content import Gallery, Picture
        from reports.figures import SCREEN
        from reports.pictures import captions, read_pictures, titled

        title = f"{model.method} on {model.dataset.name}"
        shown = []
        for unit in (model,) if group is None else (model, group):
            pictures = read_pictures(models.model_folder(self.out, unit.id))
            for kind, caption in captions(pictures).items():
                path = f"{FOLDER}/{model.dataset.name}/{model.method}-{kind}.png"
                self._write(self.out / path, SCREEN, titled, kind, pictures[kind], title)
                shown.append(Picture(caption, f"{title}: {caption}", path, model.dataset.name))
        return Gallery(model.dataset.name, model.method, model.seed, shown, lost)


def _first_of_each(cells: Iterable[Cell]) -> dict[tuple[str, str], Cell]:
    """The first cell of each data set and method."""
    first: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        first.setdefault((cell.dataset.name, cell.method), cell)
    return first


def _reported_models(records: Sequence[Record]) -> list[Cell]:
    """The cells of the final phase that have a model, by seed."""
    good = [r.cell for r in records if isinstance(r.cell, Cell) and r.cell.phase == "final" and r.status == "ok"]
    return sorted(good, key=lambda cell: cell.seed)


def _in_parts(panels: Sequence[T]) -> list[tuple[str, Sequence[T]]]:
    """Panels, one for each data set, dealt to figures that can be looked at; what tells the figures' files apart."""
    starts = range(0, len(panels), _MOST_PANELS)
    return [
        (f"-{start // _MOST_PANELS + 1}" if start else "", panels[start : start + _MOST_PANELS]) for start in starts
    ]
