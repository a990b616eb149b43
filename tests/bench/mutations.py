"""Broken files out of good ones: bytes that were changed, and trees of values that were."""

from __future__ import annotations

import copy
import random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 10**30, 1e308, float("nan"), float("inf"), "", "\x00", "../../../out", "/etc/passwd",
    "[bold]", "<script>", "ü" * 50, "x" * 10_000, "a|b", "%s{}", [], [[]], {}, {"": None}, [None],
    {"a": {"b": {"c": []}}},
)  # fmt: skip


def of_bytes(data: bytes, rng: random.Random) -> bytes:
    """A file with some of its bytes cut off, flipped, doubled, exchanged or replaced."""
    broken = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5, 30))):
        at = rng.randrange(len(broken)) if broken else 0
        length = rng.choice((1, 1, 4, 50))
        kind = rng.randrange(5)
        if kind == 0:
            del broken[at : at + length]
        elif kind == 1 and broken:
            broken[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            broken[at:at] = broken[at : at + length]
        elif kind == 3:
            broken[at : at + length] = rng.randbytes(length)
        elif rng.random() < 0.3:
            del broken[at:]
    return bytes(broken)


def of_tree(tree: Any, rng: random.Random) -> Any:
    """Nested values, some of which were dropped, renamed, exchanged or replaced by odd ones."""
    broken = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        node = _some_node(broken, rng)
        if node:
            _change(node, rng)
    return broken


def _some_node(tree: Any, rng: random.Random) -> Any:
    """A list or table of the tree that is not empty."""
    nodes, found = [tree], []
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict | list) and node:
            found.append(node)
            nodes += node.values() if isinstance(node, dict) else node
    return rng.choice(found) if found else None


def _change(node: Any, rng: random.Random) -> None:
    key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
    kind = rng.randrange(5)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, dict):
        node[rng.choice(("other", "", "../x", "x" * 200, "[b]"))] = node.pop(key)
    elif kind == 2:
        other = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        node[key], node[other] = node[other], node[key]
    else:
        node[key] = copy.deepcopy(rng.choice(ODD))
