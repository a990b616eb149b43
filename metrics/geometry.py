"""First-order geometry of a decoder: Jacobian, pullback metric, and its spectrum.

A decoder is any callable on tensors (n, d) -> (n, n_features). Torch modules made of known layers take the
fast path: one forward pass that carries the value and all tangents together. Any other callable goes
through `torch.func`. Leading axes are free: a stack of S decoders maps (S, n, d) to (S, n, n_features).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from metrics.activations import SLOPES

Decoder = Callable[[Tensor], Tensor]
Decoders = Decoder | Sequence[Decoder] | nn.ModuleList

# Jacobians are formed for so many numbers of the widest layer at a time when no gradient is wanted: 32 MB in float64.
_CHUNK_ELEMENTS = 4_000_000
# Points whose Jacobians say whether a decoder is affine.
_PROBES = 32


def jacobian(decoder: Decoder, z: Tensor) -> Tensor:
    """Jacobians df/dz of a decoder, in evaluation mode.

    Args:
        decoder: maps (..., n, d) to (..., n, n_features).
        z: latent points (..., n, d).

    Returns:
        (..., n, n_features, d), differentiable in z and in the decoder's parameters.
    """
    with evaluating(decoder):
        return _jacobian(decoder, as_latent(z))


def pullback_metric(decoder: Decoders, z: Tensor) -> Tensor:
    """The metric G = J^T J that a decoder pulls back to the latent space.

    For an ensemble (a sequence of decoders) the mean of its members' metrics. Without gradients the points
    are taken in chunks, so that no Jacobian of all points is ever held.

    Args:
        decoder: maps (..., n, d) to (..., n, n_features), or a sequence of such.
        z: latent points (..., n, d).

    Returns:
        (..., n, d, d), symmetric and positive semi-definite, in squared data units per squared latent unit.
    """
    z = as_latent(z)
    members = members_of(decoder)
    with evaluating(*members):
        metrics = [_pullback_metric(member, z) for member in members]
    return metrics[0] if len(metrics) == 1 else torch.stack(metrics).mean(0)


def _pullback_metric(decoder: Decoder, z: Tensor) -> Tensor:
    if z.numel() == 0:
        return z.new_zeros(*z.shape, z.shape[-1])
    metric_at = _metric_function(decoder, z)
    if torch.is_grad_enabled():
        return metric_at(z)
    rows = max(1, _CHUNK_ELEMENTS // (widest_layer(decoder, z[..., :1, :]) * z.shape[-1]))
    # Filled in place: small results kept between large temporary ones would fragment the heap.
    G = z.new_empty(*z.shape, z.shape[-1])
    for part, into in zip(z.split(rows, dim=-2), G.split(rows, dim=-3), strict=True):
        into.copy_(metric_at(part))
    return G


@torch.no_grad()
def is_affine(decoder: Decoders, z: Tensor) -> bool:
    """Whether a decoder, or each of several, is an affine map, as far as its Jacobians around some points tell.

    Args:
        z: latent points (n, d). Jacobians are compared at points drawn from three times their spread, so that a
            network that is flat among them is not taken for one without any curvature.
    """
    z = as_latent(z)
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(_PROBES, z.shape[-1], generator=generator, dtype=torch.float64).to(z)
    around = z.mean(0) + 3 * z.std(0, correction=0) * steps
    found = [jacobian(member, around) for member in members_of(decoder)]
    # Of a decoder in single precision the Jacobians of an affine map differ by no more than that.
    return all(bool(((J - J[:1]).abs() <= 1e-5 * J.abs().max()).all()) for J in found)


def push_forward(decoder: Decoder, z: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    """Value and directional derivatives of a decoder in one forward pass, in evaluation mode.

    Args:
        decoder: maps (..., n, d) to (..., n, n_features).
        z: latent points (..., n, d).
        tangents: t directions at each point (..., n, t, d).

    Returns:
        f(z) (..., n, n_features) and J(z) tangents (..., n, t, n_features).
    """
    with evaluating(decoder):
        return _push_forward(decoder, z, tangents)


def _push_forward(decoder: Decoder, z: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    if forwards_as(decoder, nn.Sequential):
        for layer in cast("nn.Sequential", decoder):
            z, tangents = _push_forward(layer, z, tangents)
        return z, tangents
    linear_part = linear_part_of(decoder)
    if linear_part is not None:
        return decoder(z), linear_part(tangents)
    slope_of = SLOPES.get(type(decoder))
    if slope_of is not None and not has_hooks(decoder):
        value, slope = slope_of(decoder, z)
        return value, tangents * slope.unsqueeze(-2)
    return _push_forward_by_autodiff(decoder, z, tangents)


def pull_back(decoder: Decoder, z: Tensor, cotangents: Tensor) -> Tensor:
    """J(z)^T cotangents, by one forward and one backward pass, in evaluation mode.

    Args:
        decoder: maps (..., n, d) to (..., n, n_features).
        z: latent points (..., n, d).
        cotangents: one at each point (..., n, n_features).

    Returns:
        (..., n, d); differentiable in all three where gradients are enabled.
    """
    keep_graph = torch.is_grad_enabled()
    with evaluating(decoder), torch.enable_grad():
        at = z if z.requires_grad else z.detach().requires_grad_()
        value = decoder(at)
        (pulled,) = torch.autograd.grad(value, at, cotangents, create_graph=keep_graph)
    return pulled


def squared_jacobian_norm(value: Tensor, at: Tensor) -> Tensor:
    """Squared Frobenius norm |J|_F^2 of the Jacobian of a function that is at hand by its value.

    One backward pass for each output: cheap for an encoder, whose outputs are few.

    Args:
        value: (..., n, m), a row-wise function of `at`, with its graph.
        at: (..., n, n_features), requires gradients.

    Returns:
        (..., n), differentiable in all that the function depends on.
    """
    rows = (torch.autograd.grad(output.sum(), at, create_graph=True)[0] for output in value.unbind(-1))
    norms = [row.square().sum(-1) for row in rows]
    return torch.stack(norms).sum(0)


@contextmanager
def evaluating(*decoders: Decoder) -> Iterator[None]:
    """Dropout, batch normalisation and their like as in use: all modules in evaluation mode meanwhile."""
    modules = [decoder for decoder in decoders if isinstance(decoder, nn.Module)]
    training = [module for decoder in modules for module in decoder.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def metric_eigenvalues(G: Tensor) -> Tensor:
    """Eigenvalues of metrics (..., d, d), ascending and never negative (..., d)."""
    return torch.linalg.eigvalsh(G).clamp_min(0.0)


def first_parameter(decoders: Sequence[Any]) -> Tensor | None:
    """A parameter of the decoders, for its device and type; None where no module among them has one."""
    modules = [decoder for decoder in decoders if isinstance(decoder, nn.Module)]
    return next((parameter for module in modules for parameter in module.parameters()), None)


def as_latent(z: Any) -> Tensor:
    """Latent points as a floating-point tensor; arrays are accepted."""
    z = torch.as_tensor(z)
    return z if z.is_floating_point() else z.to(torch.get_default_dtype())


def linear_part_of(layer: Decoder) -> Callable[[Tensor], Tensor] | None:
    """What an affine layer does to tangents (..., n, t, n_in); None where the layer is not known to be affine.

    A module says so by a method `linear_part`.
    """
    if forwards_as(layer, nn.Linear):
        return lambda tangents: functional.linear(tangents, cast("nn.Linear", layer).weight)
    if has_hooks(layer):
        return None
    own: Callable[[Tensor], Tensor] | None = getattr(layer, "linear_part", None)
    return own


def forwards_as(decoder: Decoder, known: type[nn.Module]) -> bool:
    """Whether a module computes what the known class does: a subclass may not, nor one with hooks."""
    if not isinstance(decoder, known) or type(decoder).forward is not known.forward:
        return False
    return not has_hooks(decoder)


def members_of(decoders: Decoders) -> list[Decoder]:
    """The decoders of an ensemble as a list; a single decoder is an ensemble of one.

    Raises:
        ValueError: there are none.
    """
    several = isinstance(decoders, nn.ModuleList) or (isinstance(decoders, Sequence) and not callable(decoders))
    members: list[Any] = list(cast("Sequence[Decoder]", decoders)) if several else [decoders]
    if not members:
        raise ValueError("decoders is empty; at least one is needed")
    return members


def widest_layer(decoder: Decoder, z: Tensor) -> int:
    """Numbers in the largest output of a decoder's layers for the latent points z (..., 1, d), of all leading axes."""
    widths: list[int] = []

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        widths.append(output.numel() if isinstance(output, Tensor) else 0)

    layers = list(decoder.modules()) if isinstance(decoder, nn.Module) else []
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.no_grad():
            widths.append(decoder(z).numel())
    finally:
        for handle in handles:
            handle.remove()
    return max(widths)


def has_hooks(layer: Any) -> bool:
    """Whether more happens to a layer's input or output than its own forward pass."""
    return isinstance(layer, nn.Module) and bool(layer._forward_hooks or layer._forward_pre_hooks)


class AffineTail(NamedTuple):
    """A decoder as hidden layers h, (..., n, d) -> (..., n, k), and the affine layers that end it.

    With the linear part A of those, J_f = A^T J_h.
    """

    hidden: nn.Sequential
    layers: list[nn.Module]
    k: int
    n_features: int

    def shortens(self, n_tangents: int) -> bool:
        """Whether the metric of so many tangents is had with fewer operations by way of A A^T."""
        forming = self.k * self.n_features * (1 if self._starts_with_its_matrix else 2)
        return forming + self.k * n_tangents < self.n_features * n_tangents

    def matrix(self, z: Tensor) -> Tensor:
        """A (..., k, n_features), for any latent point of the shape that the decoder takes (..., 1, d)."""
        layers = self.layers
        if self._starts_with_its_matrix:
            tangents = cast("nn.Linear", layers[0]).weight.T
            layers = layers[1:]
        else:
            eye = torch.eye(self.k, dtype=z.dtype, device=z.device)
            tangents = eye.expand(*z.shape[:-1], self.k, self.k)
        for layer in layers:
            linear_part = linear_part_of(layer)
            assert linear_part is not None
            tangents = linear_part(tangents)
        return tangents if tangents.ndim == 2 else tangents.squeeze(-3)

    @property
    def _starts_with_its_matrix(self) -> bool:
        return forwards_as(self.layers[0], nn.Linear)


def affine_tail(decoder: Decoder, z: Tensor) -> AffineTail | None:
    """The affine layers that end a decoder, where they make its images higher-dimensional.

    Args:
        decoder: maps (..., n, d) to (..., n, n_features).
        z: any latent point of the shape that the decoder takes (..., 1, d).

    Returns:
        None where the decoder is not made of known layers, or k >= n_features, so that nothing is gained.
    """
    layers = _layers(decoder)
    n_hidden = len(layers)
    while n_hidden and linear_part_of(layers[n_hidden - 1]) is not None:
        n_hidden -= 1
    if n_hidden in (0, len(layers)):
        return None
    hidden, tail = nn.Sequential(*layers[:n_hidden]), layers[n_hidden:]
    with torch.no_grad():
        features = hidden(z)
        images = nn.Sequential(*tail)(features)
    k, n_features = features.shape[-1], images.shape[-1]
    return AffineTail(hidden, tail, k, n_features) if k < n_features else None


def _layers(decoder: Decoder) -> list[nn.Module]:
    """The layers of a module, nested sequences opened; none where it is no sequence of modules."""
    if not forwards_as(decoder, nn.Sequential):
        return []
    return [inner for layer in cast("nn.Sequential", decoder) for inner in (_layers(layer) or [layer])]


def _metric_function(decoder: Decoder, z: Tensor) -> Decoder:
    """z -> J^T J, by the shorter way for as many points as z has.

    A wide last layer A need not be applied to tangents: J_f^T J_f = J_h^T (A A^T) J_h, where A A^T is formed once.
    """
    found = affine_tail(decoder, z[..., :1, :])
    if found is not None and found.shortens(z.shape[-2] * z.shape[-1]):
        A = found.matrix(z[..., :1, :])
        gram = A @ A.transpose(-1, -2)
        return lambda part: _through(gram, _jacobian(found.hidden, part))
    return lambda part: _gram(_jacobian(decoder, part))


def _jacobian(decoder: Decoder, z: Tensor) -> Tensor:
    basis = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device).expand(*z.shape, z.shape[-1])
    return _push_forward(decoder, z, basis)[1].transpose(-1, -2)


def _gram(J: Tensor) -> Tensor:
    return J.transpose(-1, -2) @ J


def _through(gram: Tensor, J: Tensor) -> Tensor:
    """J^T gram J for Jacobians (..., n, k, d) and one matrix for all points (..., k, k)."""
    tangents = J.transpose(-1, -2)
    # One large product over all tangents; a product for each point would be many small ones.
    return (tangents.flatten(-3, -2) @ gram).view_as(tangents) @ J


def _push_forward_by_autodiff(decoder: Decoder, z: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    try:
        return _push_forward_by_forward_mode(decoder, z, tangents)
    except (NotImplementedError, RuntimeError) as error:
        try:
            return _push_forward_by_reverse_mode(decoder, z, tangents)
        except RuntimeError:
            raise error from None


def _push_forward_by_forward_mode(decoder: Decoder, z: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    def along(direction: Tensor) -> tuple[Tensor, Tensor]:
        value, pushed, *_ = torch.func.jvp(decoder, (z,), (direction,))
        return value, pushed

    # Of the kernels for attention, only that of plain products has a forward mode.
    with sdpa_kernel(SDPBackend.MATH):
        values, pushed = torch.func.vmap(along, randomness="same")(tangents.movedim(-2, 0))
    return values[0], pushed.movedim(0, -2)


def _push_forward_by_reverse_mode(decoder: Decoder, z: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    """The same, one backward pass for each feature: for layers that torch cannot push tangents through."""
    keep_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        at = z if z.requires_grad else z.detach().requires_grad_()
        value = decoder(at)
        rows = [
            torch.autograd.grad(feature.sum(), at, create_graph=keep_graph, retain_graph=True)[0]
            for feature in value.unbind(-1)
        ]
    pushed = tangents @ torch.stack(rows, dim=-1)
    return (value, pushed) if keep_graph else (value.detach(), pushed.detach())
