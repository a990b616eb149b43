from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from bench.drawing import Drawer


class Plot:
    """Draws a line, and counts how often."""

    times = 0

    @classmethod
    def line(cls, values: list[float]) -> Figure | None:
        cls.times += 1
        figure = Figure(figsize=(1, 1))
        figure.add_subplot().plot(values)
        return figure if values else None


def test_a_figure_is_drawn_once_until_what_it_shows_changes(tmp_path):
    Plot.times = 0
    drawer = Drawer(tmp_path, {})
    for values, times in (([1.0, 2.0], 1), ([1.0, 2.0], 1), ([1.0, 3.0], 2), ([1.0, 2.0], 3)):
        (picture,) = drawer.draw("line", "A line", "alt", Plot.line, values)
        assert Plot.times == times and (tmp_path / picture.path).is_file()
    Drawer(tmp_path, {}, ("svg",)).draw("line", "A line", "alt", Plot.line, [1.0, 2.0])
    assert Plot.times == 4 and (tmp_path / "figures" / "line.svg").is_file()


def test_a_kill_while_a_figure_is_written_leaves_no_half_of_it(tmp_path, monkeypatch):
    def killed(figure: Figure, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, "savefig", killed)
    with pytest.raises(KeyboardInterrupt):
        Drawer(tmp_path, {}).draw("line", "A line", "alt", Plot.line, [1.0, 2.0])
    assert not (tmp_path / "figures" / "line.png").exists()


def test_where_there_is_nothing_to_draw_there_is_no_picture(tmp_path):
    assert Drawer(tmp_path, {}).draw("line", "A line", "alt", Plot.line, []) == []
    assert not (tmp_path / "figures").exists()
