"""Where networks train."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def device_type(device: str) -> str:
    """'cpu' or 'cuda': what 'auto' means here, and what else is asked for, wherever that will be."""
    return device if device == "cuda" else choose_device(device).type


def choose_device(device: str) -> torch.device:
    """The torch device that 'auto', 'cpu' or 'cuda' means here.

    Raises:
        ValueError: CUDA is asked for and there is none, or the name is unknown.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}")
    # It takes more than a second, and those who only read results do without.
    import torch

    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError("device = 'cuda', but torch finds no CUDA device; use 'auto' or 'cpu'")
    return torch.device("cuda" if available and device != "cpu" else "cpu")
