"""Which scores are those of a model that lost the data."""

from __future__ import annotations

from bench.record.cells import Cell, Group
from bench.record.collapse import with_collapsed
from bench.record.records import Record, Score
from bench.suite.data import DatasetSpec
from bench.suite.metrics import KnownMetrics

KNOWN = KnownMetrics()
SPEC = DatasetSpec("roll", "swiss_roll", {"n": 100}, "abc")


def cell(seed):
    return Cell("final", SPEC, "ae", "ae", {"latent_dim": 2}, seed)


def record(unit, explained, **values):
    scores = tuple(
        Score(name.partition("__")[0], name.replace("__", "_"), "test", v, "lower") for name, v in values.items()
    )
    requested = tuple(dict.fromkeys(score.requested for score in scores))
    return Record("s", unit, "ok", requested, scores=scores, explained_variance=explained)


def statuses(found):
    return {score.metric: score.status for score in found.scores}


def test_geometry_of_a_model_that_explains_too_little_is_collapsed_and_keeps_its_value():
    (found,) = with_collapsed(
        [record(cell(0), 0.1, mcn=1.04, mcn__median=1.0, relaxed_distortion=5e-4, reconstruction_mse=38.5, stress=0.2)],
        0.5,
        KNOWN,
    )
    assert statuses(found) == {
        "mcn": "collapsed", "mcn_median": "collapsed", "relaxed_distortion": "collapsed", "reconstruction_mse": "ok",
        "stress": "ok",
    }  # fmt: skip
    assert found.value("mcn") == 1.04 and found.scores[0].reason == "explained variance 0.1, below 0.5"


def test_the_threshold_is_the_suites_and_what_is_not_known_is_not_judged():
    good = record(cell(0), 0.5, mcn=1.0)
    assert with_collapsed([good], 0.5, KNOWN) == [good]
    assert statuses(with_collapsed([good], 0.6, KNOWN)[0]) == {"mcn": "collapsed"}
    assert statuses(with_collapsed([record(cell(0), None, mcn=1.0)], 0.5, KNOWN)[0]) == {"mcn": "ok"}


def test_an_attached_decoder_is_judged_by_what_it_explains_itself():
    lost = record(cell(0), 0.1, mcn=1.0, mcn_attached=2.0, mcn_attached__explained_variance=0.9)
    assert statuses(with_collapsed([lost], 0.5, KNOWN)[0]) == {
        "mcn": "collapsed", "mcn_attached": "ok", "mcn_attached_explained_variance": "ok",
    }  # fmt: skip
    poor = record(cell(0), 0.9, mcn=1.0, mcn_attached=2.0, mcn_attached__explained_variance=0.2)
    assert statuses(with_collapsed([poor], 0.5, KNOWN)[0])["mcn_attached"] == "collapsed"


def test_a_score_over_seeds_is_collapsed_where_one_of_its_models_is():
    models = [record(cell(0), 0.9, mcn=1.0), record(cell(1), 0.2, mcn=1.0)]
    group = record(Group.of([cell(0), cell(1)]), None, geodesic_cv=0.1)
    (*_, found) = with_collapsed([*models, group], 0.5, KNOWN)
    assert statuses(found) == {"geodesic_cv": "collapsed"}
    assert found.scores[0].reason == "1 of 2 models: explained variance 0.2, below 0.5"
    assert with_collapsed([models[0], group], 0.5, KNOWN)[-1] == group
    # Without a geometry score of single models, their records do not say; the group's own has the least of them.
    alone = record(Group.of([cell(0), cell(1)]), 0.2, geodesic_cv=0.1)
    assert statuses(with_collapsed([alone], 0.5, KNOWN)[0]) == {"geodesic_cv": "collapsed"}
