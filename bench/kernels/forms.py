"""What is timed: each derivative (kernel) in each of its forms, and the numbers that go into it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from bench.kernels import functional, published
from bench.kernels.decoders import DECODERS, N_FEATURES
from metrics.distortion import EXACT_UP_TO, random_signs, relaxed_distortion
from metrics.geodesics.curve_energy import CurveEnergy
from metrics.geodesics.splines import CurveBasis
from metrics.geometry import jacobian, pull_back, pullback_metric, push_forward

N_SEGMENTS = 64

Result = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Inputs:
    """A decoder and points for it.

    Attributes:
        z: points (n, d). v: tangents (n, d). u: cotangents (n, 784). probes: random signs (n, 1, d).
        curves: nodes (n // 65, 65, d).
    """

    decoder: nn.Sequential
    z: Tensor
    v: Tensor
    u: Tensor
    probes: Tensor
    curves: Tensor

    @property
    def exact_or_probed(self) -> Tensor | None:
        """No probes where the distortion is exact."""
        return None if self.z.shape[1] <= EXACT_UP_TO else self.probes

    def to(self, dtype: torch.dtype) -> Inputs:
        """A copy in another precision."""
        decoder = copy.deepcopy(self.decoder).to(dtype)
        tensors = {name: getattr(self, name).to(dtype) for name in ("z", "v", "u", "probes", "curves")}
        return replace(self, decoder=decoder, **tensors)


def draw(decoder: str, batch: int, latent: int, device: str) -> Inputs:
    """The same numbers for the same shape, whatever the form."""
    torch.manual_seed(0)
    made = DECODERS[decoder](latent).to(device)
    n_curves = max(1, batch // (N_SEGMENTS + 1))
    ends = torch.randn(2, n_curves, 1, latent)
    t = torch.linspace(0, 1, N_SEGMENTS + 1)[:, None]
    z, v, u = torch.randn(batch, latent), torch.randn(batch, latent), torch.randn(batch, N_FEATURES)
    curves = ends[0] + t * (ends[1] - ends[0]) + 0.3 * torch.sin(torch.pi * t)
    tensors = (part.to(device) for part in (z, v, u, random_signs(z, k=1), curves))
    return Inputs(made, *tensors)


Call = Callable[[], Result]
# Prepares a form for its inputs; what is timed is the call that it gives.
Form = Callable[[Inputs], Call]


@dataclass(frozen=True)
class Kernel:
    """One derivative.

    Attributes:
        flops: of its nominal algorithm, from the FLOPs f of one decoded point, the points n and their dimension d.
        forms: by implementation.
        reference: what its forms must give, by `torch.func`.
        published_reference: what the published form must give, where that estimates by one probe.
    """

    flops: Callable[[float, int, int], float]
    forms: Mapping[str, Form]
    reference: Callable[[Inputs], Result] | None = None
    published_reference: Callable[[Inputs], Result] | None = None

    def expected(self, form: str, at: Inputs) -> Result | None:
        """What a form must give; None for a plain pass, which is only timed."""
        other = self.published_reference if form == PUBLISHED else None
        reference = other or self.reference
        return None if reference is None else reference(at)


PLAIN, PUBLISHED, FUNCTIONAL, OURS, COMPILED, GRAPH = (
    "plain", "published form", "torch.func", "ours", "ours compiled", "ours as CUDA graph",
)  # fmt: skip


def graphed(form: Form) -> Form:
    """A form captured as a CUDA graph: one launch, whatever the number of kernels in it."""

    def prepare(at: Inputs) -> Call:
        call = form(at)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = call()

        def replay() -> Result:
            graph.replay()
            return results

        return replay

    return prepare


def _called(function: Callable[[Inputs], Any], *, gradients: bool = False) -> Form:
    """A form that is one function of its inputs."""

    def prepare(at: Inputs) -> Call:
        def call() -> Result:
            with torch.set_grad_enabled(gradients):
                found = function(at)
            return found if isinstance(found, tuple) else (found,)

        return call

    return prepare


def _compiled(function: Callable[[Inputs], Tensor]) -> Form:
    """A form without derivatives of its own, compiled as a whole."""

    def prepare(at: Inputs) -> Call:
        compiled = _compile(lambda: function(at))

        def call() -> Result:
            with torch.no_grad():
                return (compiled(),)

        return call

    return prepare


def _compile(function: Any) -> Any:
    """A function compiled anew; it may not fall back to being run as it is."""
    # What earlier cases compiled counts against a limit, past which torch silently stops compiling.
    torch._dynamo.reset()
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    return torch.compile(function, dynamic=False)


def _compiled_vjp(at: Inputs) -> Call:
    decoder = _compile(at.decoder)
    return _called(lambda inputs: pull_back(decoder, inputs.z, inputs.u))(at)


def _compiled_distortion(at: Inputs) -> Call:
    loss = _compile(lambda z: relaxed_distortion(at.decoder, z, at.exact_or_probed))
    return _called(lambda inputs: _step(inputs, loss(inputs.z)), gradients=True)(at)


def _energy(at: Inputs) -> Call:
    curves = _curve_energy(at)
    return lambda: curves.of_points(at.curves)


def _compiled_energy(at: Inputs) -> Call:
    curves = _curve_energy(at)
    curves.images.groups = [(_compile(group), share) for group, share in curves.images.groups]
    return lambda: curves.of_points(at.curves)


def _curve_energy(at: Inputs) -> CurveEnergy:
    return CurveEnergy(at.decoder, CurveBasis(N_SEGMENTS, 10), at.curves[:, 0], at.curves[:, -1])


def _step(at: Inputs, loss: Tensor) -> Result:
    """A loss and its gradients in all weights."""
    return loss.detach(), functional.weight_gradients(at.decoder, loss)


def _derivative(published_form: Any, functional_form: Any, ours: Any) -> dict[str, Form]:
    """The forms of a derivative without gradients in the weights."""
    return {
        PUBLISHED: _called(published_form, gradients=True),
        FUNCTIONAL: _called(functional_form),
        OURS: _called(ours),
        COMPILED: _compiled(ours),
        GRAPH: graphed(_called(ours)),
    }


_JVP = _derivative(
    lambda at: published.jvp(at.decoder, at.z, at.v),
    lambda at: functional.jvp(at.decoder, at.z, at.v),
    lambda at: push_forward(at.decoder, at.z, at.v[:, None])[1][:, 0],
)
_VJP = _derivative(
    lambda at: published.vjp(at.decoder, at.z, at.u),
    lambda at: functional.vjp(at.decoder, at.z, at.u),
    lambda at: pull_back(at.decoder, at.z, at.u),
) | {COMPILED: _compiled_vjp}
_JACOBIAN = _derivative(
    lambda at: published.jacobian(at.decoder, at.z),
    lambda at: functional.jacobian(at.decoder, at.z),
    lambda at: jacobian(at.decoder, at.z),
)
_PULLBACK = _derivative(
    lambda at: published.pullback_metric(at.decoder, at.z),
    lambda at: functional.pullback_metric(at.decoder, at.z),
    lambda at: pullback_metric(at.decoder, at.z),
)


def _published_distortion(at: Inputs) -> Result:
    return _step(at, published.distortion(at.decoder, at.z, at.probes))


def _functional_distortion(at: Inputs) -> Result:
    return _step(at, functional.distortion(at.decoder, at.z, at.exact_or_probed))


def _our_distortion(at: Inputs) -> Result:
    return _step(at, relaxed_distortion(at.decoder, at.z, at.exact_or_probed))


_DISTORTION: dict[str, Form] = {
    PUBLISHED: _called(_published_distortion, gradients=True),
    FUNCTIONAL: _called(_functional_distortion, gradients=True),
    OURS: _called(_our_distortion, gradients=True),
    COMPILED: _compiled_distortion,
    GRAPH: graphed(_called(_our_distortion, gradients=True)),
}
_ENERGY: dict[str, Form] = {
    PUBLISHED: _called(lambda at: published.curve_energy(at.decoder, at.curves), gradients=True),
    FUNCTIONAL: _called(lambda at: functional.curve_energy(at.decoder, at.curves), gradients=True),
    OURS: _energy,
    COMPILED: _compiled_energy,
    GRAPH: graphed(_energy),
}
_FORWARD: dict[str, Form] = {PLAIN: _called(lambda at: at.decoder(at.z))}
_TRAINING: dict[str, Form] = {
    PLAIN: _called(lambda at: _step(at, at.decoder(at.z).square().mean()), gradients=True),
}

KERNELS: dict[str, Kernel] = {
    "forward": Kernel(lambda f, n, d: f * n, _FORWARD),
    "forward and backward": Kernel(lambda f, n, d: 3 * f * n, _TRAINING),
    "jvp": Kernel(lambda f, n, d: 2 * f * n, _JVP, lambda at: (functional.jvp(at.decoder, at.z, at.v),)),
    "vjp": Kernel(lambda f, n, d: 2 * f * n, _VJP, lambda at: (functional.vjp(at.decoder, at.z, at.u),)),
    "jacobian": Kernel(lambda f, n, d: (1 + d) * f * n, _JACOBIAN, lambda at: (functional.jacobian(at.decoder, at.z),)),
    "pullback metric": Kernel(
        lambda f, n, d: ((1 + d) * f + 2 * N_FEATURES * d * d) * n,
        _PULLBACK,
        lambda at: (functional.pullback_metric(at.decoder, at.z),),
    ),
    "distortion step": Kernel(
        lambda f, n, d: 3 * (1 + d if d <= EXACT_UP_TO else 3) * f * n,
        _DISTORTION,
        _functional_distortion,
        lambda at: _step(at, functional.distortion(at.decoder, at.z, at.probes)),
    ),
    "geodesic energy and gradient": Kernel(
        lambda f, n, d: 2 * f * max(1, n // (N_SEGMENTS + 1)) * (N_SEGMENTS + 1),
        _ENERGY,
        lambda at: functional.curve_energy(at.decoder, at.curves),
    ),
}
