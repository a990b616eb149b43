"""Several decoders of the same latent space, or of several models, evaluated as one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from metrics.geometry import Decoder, affine_tail, has_hooks


def stacked(decoders: Sequence[nn.Module]) -> Decoder:
    """S decoders of one architecture as one that maps (S, n, d) to (S, n, n_features), in batched products.

    Raises:
        ValueError: they differ in architecture.
    """
    return _in_one(decoders, in_dim=0)


def together(decoders: Sequence[Decoder]) -> Decoder:
    """Decoders that share their points: (..., n, d) -> (M, ..., n, n_features), batched where they are alike."""
    modules = [decoder for decoder in decoders if isinstance(decoder, nn.Module)]
    if len(modules) == len(decoders) > 1 and _alike(modules):
        return _in_one(modules, in_dim=None)
    return lambda z: torch.stack([decoder(z) for decoder in decoders])


def shortened(decoder: Decoder, z: Tensor) -> Decoder:
    """A decoder whose images lie at the same distances in fewer dimensions, where that is possible.

    Affine layers that end it, with linear part A^T, are replaced by R of A^T = Q R (thin QR), |A^T h| = |R h|: for a
    network that ends in 512 -> 784, 512 numbers for each image, not 784.

    Args:
        decoder: maps (..., n, d) to (..., n, n_features).
        z: any latent point of the shape that it takes (..., 1, d).
    """
    found = affine_tail(decoder, z)
    if found is None:
        return decoder
    A = found.matrix(z).detach()
    return nn.Sequential(*found.hidden, _Coordinates(torch.linalg.qr(A.transpose(-1, -2), mode="r").R))


def in_single_precision(decoder: Decoder, z: Tensor) -> Decoder | None:
    """A copy of a decoder that computes in single precision; None of what is no module, or cannot be copied so.

    Args:
        z: any latent point of the shape that it takes (..., 1, d).
    """
    if not isinstance(decoder, nn.Module):
        return None
    try:
        single = copy.deepcopy(decoder).float()
        with torch.no_grad():
            computes_so = single(z.float()).dtype == torch.float32
    # What a third party's module holds, or asks of its points, may allow neither the copy nor the precision.
    except Exception:
        return None
    return single if computes_so else None


class _Coordinates(nn.Module):
    """h -> R h for hidden features (..., n, k)."""

    R: Tensor

    def __init__(self, R: Tensor) -> None:
        super().__init__()
        self.register_buffer("R", R)

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.R.transpose(-1, -2)

    def linear_part(self, tangents: Tensor) -> Tensor:
        return tangents @ self.R.transpose(-1, -2).unsqueeze(-3)


def _alike(modules: Sequence[nn.Module]) -> bool:
    """Whether modules differ in nothing but the values of their parameters and buffers, and have some."""
    forms = [_form(module) for module in modules]
    return bool(modules[0].state_dict()) and forms[0] is not None and all(form == forms[0] for form in forms)


def _form(module: nn.Module) -> list[Any] | None:
    """All of a module but the values of its state; None where that cannot be told."""
    form: list[Any] = [(name, value.shape, value.dtype) for name, value in module.state_dict().items()]
    for part in module.modules():
        own = {name: value for name, value in vars(part).items() if name == "training" or name not in _OF_EVERY_MODULE}
        if has_hooks(part) or not all(map(_is_plain, own.values())):
            return None
        form.append((type(part), own))
    return form


# What torch itself keeps in each module: parameters, hooks and so on.
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _in_one(modules: Sequence[nn.Module], in_dim: int | None) -> Decoder:
    if not _alike(modules):
        raise ValueError("decoders of different architectures cannot be stacked")
    parameters, buffers = torch.func.stack_module_state(list(modules))
    state = {name: value.detach() for name, value in {**parameters, **buffers}.items()}
    form = copy.deepcopy(modules[0]).to("meta")

    def decode(own: dict[str, Tensor], z: Tensor) -> Tensor:
        images: Tensor = torch.func.functional_call(form, own, (z,))
        return images

    batched: Callable[..., Tensor] = torch.func.vmap(decode, in_dims=(0, in_dim))
    return lambda z: batched(state, z)
