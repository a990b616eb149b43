"""A recorded training step: tested with a record that is replayed by calling again, as a CPU has no graphs.

`tests/methods/test_devices.py` compares devices.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from methods.irvae import IRVAE
from methods.metric_vae import MetricVAE
from methods.training import loop as training
from methods.training.recording import Records


def call_again(call):
    """As a CUDA graph: recording carries nothing out, a replay overwrites the outputs that recording gave."""
    outputs = {}

    def replay():
        for name, value in call().items():
            outputs.setdefault(name, torch.empty_like(value)).copy_(value)

    return outputs, replay


def test_a_recorded_step_gives_what_the_step_gives_for_every_shape():
    calls = []

    def step(batch, draws):
        calls.append(batch["x"].data_ptr())
        return {"sum": batch["x"].sum(1) + draws["noise"]}

    recorded = Records(call_again)
    for _ in range(8):
        for n in (3, 5):
            x, noise = torch.randn(2, n), torch.randn(2)
            torch.testing.assert_close(recorded(step, {"x": x}, {"noise": noise})["sum"], x.sum(1) + noise)
    # After the warm-up each shape is read from memory of its own.
    assert len(set(calls[6::2])) == len(set(calls[7::2])) == 1


@pytest.mark.parametrize("component", [IRVAE, MetricVAE])
def test_training_by_recorded_steps_gives_the_same_models(component, monkeypatch):
    X = np.random.default_rng(0).normal(size=(130, 6)).astype(np.float32)
    settings = {"hidden": [8], "epochs": 8, "batch_size": 25, "device": "cpu"}
    if component is MetricVAE:
        settings |= {"sample_shape": (1, 2, 3), "channels": [3], "normalise": "batch", "proxy": "data"}

    def fitted():
        stack = [component(**settings, random_state=seed, learning_rate=rate) for seed, rate in enumerate((1e-3, 1e-2))]
        stops = [lambda epoch, scores: epoch == 4, None]
        assert component.fit_many(stack, X, on_epoch=stops) == [None, None]
        return [model.state_arrays() for model in stack]

    plain = fitted()
    monkeypatch.setattr(training, "is_recordable", lambda device: True)
    monkeypatch.setattr(training, "cuda_graph", call_again)
    for recorded, direct in zip(fitted(), plain, strict=True):
        for name, value in direct.items():
            np.testing.assert_array_equal(recorded[name], value, err_msg=name)


def test_a_step_that_cannot_be_recorded_is_called_every_time(caplog):
    def refuse(call):
        raise RuntimeError("operation not permitted when stream is capturing")

    records = Records(refuse)
    for at in range(6):
        assert records(lambda batch, draws: {"x": batch["x"] + 1}, {"x": torch.tensor([at])}, {})["x"].item() == at + 1
    assert caplog.text.count("cannot be recorded") == 1
