"""Pictures of a curve in the plane: data, truth, the decoded curve, and local expansions of the decoder."""

from __future__ import annotations

import numpy as np

from bench.pictures.subject import Arrays, Subject


def curve(subject: Subject) -> Arrays:
    """Training points, the true and the decoded curve, and local expansions at two training points."""
    from metrics.curves import decoded_curve

    assert subject.view.decode is not None and subject.data.intrinsic is not None
    train = subject.data.train
    order = np.argsort(subject.data.intrinsic[subject.view.rows, 0], kind="stable")
    arrays = {
        "train": subject.data.X[train],
        "reconstructed": subject.decoded(subject.view.Z_train),
        "truth": subject.view.X[order],
        "decoded": decoded_curve(subject.view.decode, subject.view.Z_train, 2_000).astype(np.float32),
    }
    return arrays | _local_expansions(subject)


def _local_expansions(subject: Subject) -> Arrays:
    """f(z) + J delta (+ 1/2 delta^T H delta) at the codes of the training rows 0.2 n and 0.7 n.

    delta reaches a tenth of the codes' range to both sides.
    """
    order = getattr(subject.method, "expansion_order", None)
    if order not in (1, 2):
        return {}
    import torch

    from metrics.taylor import expand

    Z = subject.view.Z_train[:, 0]
    centres = Z[[int(0.2 * len(Z)), int(0.7 * len(Z))]]
    reach = 0.1 * np.ptp(Z)
    delta = np.linspace(-reach, reach, 50)
    decoder = subject.method.decoders_[0]
    like = next(decoder.parameters())
    with torch.no_grad():
        z, step = (torch.as_tensor(values, dtype=like.dtype, device=like.device) for values in (centres, delta))
        jet = expand(decoder, z[:, None], step[None, :, None].expand(2, -1, -1))
        local = jet.value[:, None] + jet.first + (0.5 * jet.second if order == 2 else 0.0)
    return {"local": local.cpu().numpy(), "centres": subject.decoded(centres[:, None])}
