"""One score of a leaderboard as text: in full, or short with one mark."""

from __future__ import annotations

from reports.leaderboard import ATTACHED_ENCODER, Entry, short
from reports.samples import BY_CONSTRUCTION, COLLAPSED

# What is not ranked is shown to so many decimals: an affine decoder's distortion is 0, and not 2e-16.
_ROUNDING = 12
MARKS = {
    "*": "best",
    "=": "best, not to be told apart",
    "~": "median: few points or one seed carry the mean",
    "x": "collapsed, not ranked",
    "c": "by construction, not ranked",
}


LEGEND = (
    "Mean over report seeds on held-out points. `[low, high]`: 95 % interval; from five seeds on over seeds and test "
    "points (hierarchical bootstrap, studentised), of fewer over the test points alone, with the range of the seeds "
    "beside it: what other seeds would give is then not known; scores without points: Student's, over five seeds "
    "and more. **Bold**: the best of its ranking, and what cannot be "
    "told from it (`=`), compared by test point and seed, at 5 % for all pairs of methods together (Holm). Scores of "
    "the decoder are ranked among native and among attached decoders separately: an attached decoder was fitted to "
    "the finished embedding, so that its scores say how well the layout *can* be decoded. Shown and never ranked: "
    "`collapsed`, geometry of a decoder that explains too little variance (`[report] min_explained_variance`); "
    "`by construction`, what follows from the form of the method and not from what it learned. `median`: the mean "
    "beside it is carried by few points or by one seed. `(tuned)`: the metric that hyperparameters were chosen by, on "
    "other seeds and rows. `n/a`: the method or the data cannot have that score. `(train)`: the method cannot encode "
    f"new points and is scored on its training embedding. `{ATTACHED_ENCODER}`: it encodes them by a network that was "
    "fitted to that embedding."
)


def in_full(entry: Entry) -> str:
    """'0.123 [0.12, 0.13], median 0.11, 3 seeds 0.12 to 0.13', or why there is no value."""
    found = entry.estimate
    if found is None:
        return entry.status
    text = short(found.mean)
    if found.low is not None and found.high is not None:
        text += f" [{short(found.low)}, {short(found.high)}]"
    if entry.tail is not None:
        text += f", median {short(entry.tail.median)}"
    if found.over == "points" and found.smallest != found.largest:
        text += f", {found.n} seeds {short(found.smallest or 0)} to {short(found.largest or 0)}"
    return text


def in_short(entry: Entry) -> tuple[str, str]:
    """The value, or why there is none, and one of MARKS or nothing: ('~0.11', '=')."""
    found = entry.estimate
    if found is None:
        return entry.status, ""
    if entry.status.endswith(COLLAPSED):
        return short(round(found.mean, _ROUNDING)), "x"
    if entry.status.endswith(BY_CONSTRUCTION):
        return short(round(found.mean, _ROUNDING)), "c"
    value = short(found.mean) if entry.tail is None else f"~{short(entry.tail.median)}"
    return value + ("" if entry.ranked else f" ({entry.status})"), entry.mark
