"""The files of an MLflow run: pictures, the model with how to load it, and the log of a failure."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bench.record.models import ARRAYS, FACTS
from bench.track.runs import RunSpec

_HOW_TO_LOAD = """# A fitted model

```python
import json
from pathlib import Path

from bench import registry
from safetensors.numpy import load_file

cell = json.loads(Path("model.json").read_text())["cell"]
arrays = load_file("model.safetensors")
state = {name.removeprefix("state."): value for name, value in arrays.items() if name.startswith("state.")}
model = registry.method(cell["target"])(**cell["params"]).load_arrays(state)
model.decode(arrays["Z.scored"])  # the codes of the scored rows; model.encode(X), where the method can
```
"""


def attach(client: Any, run_id: str, spec: RunSpec) -> None:
    """Attach what there is to a run."""
    if spec.log is not None and spec.log.is_file():
        client.log_artifact(run_id, str(spec.log), "log")
    if spec.model is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        for path in _drawn(spec, spec.model, Path(folder)):
            client.log_artifact(run_id, str(path))
    if (spec.model / FACTS).is_file():
        for name in (ARRAYS, FACTS):
            client.log_artifact(run_id, str(spec.model / name), "model")
        client.log_text(run_id, _HOW_TO_LOAD, "model/README.md")


def _drawn(spec: RunSpec, model: Path, folder: Path) -> list[Path]:
    from reports.figures import embeddings, read_embedding, save
    from reports.pictures import captions, read_pictures, titled

    found = read_embedding(model)
    if found is not None:
        save(embeddings({spec.tags["method"]: found}, spec.name), folder / "embedding.png")
    pictures = read_pictures(model)
    for kind in captions(pictures):
        save(titled(kind, pictures[kind], spec.name), folder / f"{kind}.png")
    return sorted(folder.iterdir())
