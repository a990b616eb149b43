"""A variational autoencoder whose latent distances follow those of a proxy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.base import Array, hyperparameters, require_not_negative, require_positive, require_widths
from methods.distance_regularisers import REGULARISERS, Regulariser
from methods.network_method import evaluate
from methods.networks.convolutions import image_shape
from methods.networks.images import ImageNetworks, Normalisation
from methods.networks.layers import Affine, member, stacked_mlp
from methods.proxies import Proxy, fit_classifiers, identity, known_proxy
from methods.training.data import TrainingSet
from methods.training.problem import Problem, Rows, Task, Terms
from methods.training.streams import Streams
from methods.vae import FixedVarianceVAE, sample_posterior
from metrics.view import NotApplicableError

_SMALLEST_DEVIATION = 1e-5


@hyperparameters
class MetricVAE(FixedVarianceVAE):
    """VAE with a regulariser that makes distances between codes agree with those of a proxy of the data.

    Minimises summed squared error + beta KL + distance_reg DR. By default DR compares standardised distances of
    pairs, mean |(d_z - mean d_z) / std d_z - (d_p - mean d_p) / std d_p|, d_z between posterior means and d_p
    between proxies: it does not change with the scale of either. Images (data with a sample_shape) get a
    convolutional encoder and decoder, other data perceptrons.

    The published form divides squared distances by their variance, counts a point as a pair with itself, and takes
    sampled codes; it has units, so that the model shrinks it by inflating the codes, and needs the weight 1e5. Its
    batch normalisation is updated by sampling and by decoding zeros too, so that training and use differ; here
    moments are updated by the loss alone, and there is no normalisation by default.

    Args:
        proxy: where the proxy of a row comes from. 'labels': the last layer of a small classifier of y, trained on
            the training rows only, for at most `epochs`. 'features': y itself, (n_samples, n) numbers. 'data': the
            row itself. 'auto': labels, else features, as y is; the data where there is no y. A function
            X -> (n_samples, n), or its 'module:name'.
        distance_reg: weight of DR.
        regulariser: 'standardised', or a published one: 'batchwise' (the one used), 'pointwise', 'expanding',
            'contracting'.
        beta: weight of the KL term.
        channels, kernel, normalise: channels at each level, kernel width and normalisation ('none' or 'batch') of
            the networks for images.
        hidden: layer widths of the networks for other data.
        sample_shape: (channels, height, width) of a sample; the runner fills it from the data set.
        latent_dim, activation, scaling, epochs: see `ae`.
        batch_size, learning_rate, patience, clip_norm, random_state, device: see `ae`.

    Source: Klys, MetricVAE, 2018 (code without a paper). Preset 'published' is its VAE; its classifier is not here:
    that has eight layers, a squared loss and a falling learning rate for 20 epochs, ours is as deep as the encoder
    and minimises cross-entropy.
    """

    loss: ClassVar[str] = "|f(z) - x|^2 + beta KL + distance_reg mean |std. d_z - std. d_proxy|"
    needs: ClassVar[str] = "labels or features for its proxy, else the data"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": {
            "latent_dim": 512,
            "channels": [64, 128, 256],
            "kernel": 5,
            "normalise": "batch",
            "activation": "relu",
            "scaling": "none",
            "regulariser": "batchwise",
            "distance_reg": 1e5,
            "beta": 0.1,
            "epochs": 50,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "patience": None,
            "clip_norm": None,
        }
    }
    search_space: ClassVar[dict[str, Any]] = {
        "learning_rate": {"low": 3e-4, "high": 3e-3, "log": True},
        "distance_reg": {"low": 1.0, "high": 1e3, "log": True},
    }
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "beta", "distance_reg")
    saved_modules: ClassVar[tuple[str, ...]] = ("encoder", "decoder", "proxy")

    proxy: str | Callable[[Array], Array] = "auto"
    distance_reg: float = 100.0
    regulariser: Regulariser = "standardised"
    beta: float = 0.1
    channels: Sequence[int] = (16, 32, 64)
    kernel: int = 3
    normalise: Normalisation = "none"
    hidden: Sequence[int] = (128, 128)
    sample_shape: Sequence[int] | None = None

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "distance_reg")
        require_positive(self, "kernel")
        require_widths(self.channels, "channels")
        if not self.channels:
            raise ValueError("channels must name at least one level")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, got {self.kernel}")
        known_proxy(self.proxy)

    def proxy_features(self, X: Array) -> Array:
        """The proxy (n_samples, n) of rows X, in the units of its source.

        Raises:
            NotApplicableError: it was given as an array, so that it is known for the training rows only.
        """
        if isinstance(self.proxy_, nn.Module):
            return evaluate(self.proxy_, X)
        if self.proxy_ is None:
            raise NotApplicableError("proxy = 'features' is known for the rows that were given with it only")
        return np.asarray(self.proxy_(np.asarray(X)), dtype=np.float32)

    def state_arrays(self) -> dict[str, Array]:
        """All that `load_arrays` needs to encode and decode exactly as now, and where the proxy came from."""
        state = super().state_arrays()
        if isinstance(self.proxy_, nn.Module):
            return state | {"n_classes": np.asarray(len(evaluate(self.proxy_, np.zeros((1, self.n_features_in_)))[0]))}
        return state | ({"features": np.zeros(0)} if self.proxy_ is None else {})

    @classmethod
    def _task(cls, estimators: Sequence[Self], data: TrainingSet) -> Task:
        lead = estimators[0]
        source = Proxy.of(lead.proxy, data.y, data.y_val)
        if source.labels is None:
            features = [data.x.new_tensor(values) for values in source.features(data)]
            for estimator in estimators:
                estimator.proxy_ = source.function
            rows = [Rows({"x": x, "proxy": p}) for x, p in zip((data.x, data.x_val), features, strict=True)]
            return Task(_MetricBound(lead), *rows)
        classifiers = fit_classifiers(partial(lead._encoder, data.n_features), data, source.labels, lead._schedule())
        for estimator, classifier in zip(estimators, classifiers, strict=True):
            estimator.proxy_ = nn.Sequential(data.into_network_units(), *classifier)
        with torch.no_grad():
            own = [
                torch.stack([torch.cat([c(part) for part in x.split(2_048)]) for c in classifiers])
                for x in (data.x, data.x_val)
            ]
        rows = [Rows({"x": x}, {"proxy": p}) for x, p in zip((data.x, data.x_val), own, strict=True)]
        return Task(_MetricBound(lead), *rows)

    def _build(self, n_features: int, generators: Sequence[torch.Generator]) -> nn.Module:
        encoder = self._encoder(n_features, 2 * self.latent_dim, generators)
        if not self._has_images:
            widths = [self.latent_dim, *list(self.hidden)[::-1], n_features]
            decoder = stacked_mlp(widths, self.activation, generators)
        else:
            decoder = self._image_networks(n_features).decoder(self.latent_dim, generators)
        return nn.ModuleDict({"encoder": encoder, "decoder": decoder})

    @property
    def _has_images(self) -> bool:
        return self.sample_shape is not None and len(self.sample_shape) > 1

    def _encoder(self, n_features: int, n_out: int, generators: Sequence[torch.Generator]) -> nn.Sequential:
        """Of the rows to n_out numbers: the encoder, and the classifier."""
        if not self._has_images:
            return stacked_mlp([n_features, *self.hidden, n_out], self.activation, generators)
        return self._image_networks(n_features).encoder(n_out, generators)

    def _image_networks(self, n_features: int) -> ImageNetworks:
        shape = image_shape(self.sample_shape, n_features)
        return ImageNetworks(shape, self.channels, self.kernel, self.activation, self.normalise)

    def _problem(self, n_features: int) -> Problem:
        return _MetricBound(self)

    def _blank_modules(self, arrays: Mapping[str, Array]) -> dict[str, nn.Module]:
        if "n_classes" not in arrays:
            found = known_proxy(self.proxy)
            self.proxy_ = None if "features" in arrays else found if callable(found) else identity
            return super()._blank_modules(arrays)
        n_features = self.n_features_in_
        classifier = self._encoder(n_features, int(arrays["n_classes"]), [torch.Generator()])
        blank = nn.Sequential(Affine.blank(n_features), *member(classifier, 0))
        return {**super()._blank_modules(arrays), "proxy": blank}


class _MetricBound:
    """Summed squared error + beta KL + distance_reg DR."""

    def __init__(self, method: MetricVAE) -> None:
        self.latent_dim = method.latent_dim
        self.regulariser = REGULARISERS[method.regulariser]
        # The published terms take sampled codes.
        self.sampled = method.regulariser != "standardised"

    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        return {"noise": streams.normal("noise", n, self.latent_dim)}

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        x = batch["x"]
        mean, raw = model["encoder"](x).chunk(2, dim=-1)
        log_deviation = functional.softplus(raw).clamp_min(_SMALLEST_DEVIATION).log()
        z, kl = sample_posterior(mean, log_deviation, draws["noise"])
        square = (model["decoder"](z) - x).square().sum(-1).mean(-1)
        distance = self.regulariser(z if self.sampled else mean, batch["proxy"])
        loss = square + weights["beta"] * kl + weights["distance_reg"] * distance
        return {"loss": loss, "mse": square / x.shape[-1], "kl": kl, "distance": distance}
