"""Methods that embed the training rows alone, and encode new points by a network fitted to the frozen embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Self

from methods.attached import AttachedDecoderMethod, arrays_of, fit_encoders, map_from
from methods.base import Array, DivergedError, check_matrix, hyperparameters, require_choices
from methods.network_method import evaluate


@hyperparameters
class AttachedEncoderMethod(AttachedDecoderMethod):
    """A method that cannot encode new points; an encoder is fitted to its embedding as the decoder is.

    Args:
        encoder: 'attached', or 'none': the method is then scored on its training embedding.
    """

    encoder: Literal["attached", "none"] = "attached"

    def check_parameters(self) -> None:
        super().check_parameters()
        require_choices(self)

    @property
    def encoder_kind(self) -> str:
        """'attached' or 'none'."""
        return self.encoder

    @property
    def encode(self) -> Callable[[Array], Array] | None:
        """Latent points (n_samples, latent_dim), float32, by the attached encoder; None without one."""
        return self._encode if self.encoder == "attached" else None

    def _encode(self, X: Array) -> Array:
        return evaluate(self.encoder_, check_matrix(X, self.n_features_in_))

    @classmethod
    def _attach_encoders(cls, estimators: Sequence[Self], X: Array) -> list[DivergedError | None]:
        lead = estimators[0]
        if lead.encoder == "none":
            return [None] * len(estimators)
        encoders = fit_encoders(
            X,
            [estimator.embedding_ for estimator in estimators],
            [estimator.random_state for estimator in estimators],
            **lead._network,
        )
        for estimator, encoder in zip(estimators, encoders, strict=True):
            if not isinstance(encoder, DivergedError):
                estimator.encoder_ = encoder
        return [encoder if isinstance(encoder, DivergedError) else None for encoder in encoders]

    def state_arrays(self) -> dict[str, Array]:
        """The embedding, the decoder and the encoder: enough to encode and decode exactly as now."""
        own = arrays_of("encoder", self.encoder_) if self.encoder == "attached" else {}
        return {**super().state_arrays(), **own}

    def load_arrays(self, arrays: Mapping[str, Array]) -> Self:
        """Become the fitted method that `state_arrays` was taken from; hyperparameters must be the same."""
        super().load_arrays(arrays)
        if self.encoder == "attached":
            widths = [self.n_features_in_, *self.hidden, self.embedding_.shape[1]]
            self.encoder_ = map_from("encoder", arrays, widths, self.activation)
        return self
