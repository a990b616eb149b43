"""An MLflow store, made to hold what the records say."""

from __future__ import annotations

import logging
import os
import platform
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.record.records import Record
from bench.track.runs import RunSpec, by_run, record_run, study_run

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
_BATCH = 1_000


class Store:
    """An MLflow store that holds, or is made to hold, what the records say."""

    def __init__(self, uri: str, suite: str, out: Path) -> None:
        _calm_mlflow()
        from mlflow import MlflowClient

        self.out = out.resolve()
        local = uri == "sqlite"
        # On a server, runs of another folder with the same suite are not ours to replace.
        self._origin = "" if local else f"{platform.node()}:{self.out}"
        self._client = MlflowClient(f"sqlite:///{self.out / DATABASE}" if local else uri)
        experiment = self._client.get_experiment_by_name(suite)
        if experiment is not None:
            self._experiment = experiment.experiment_id
        else:
            location = (self.out / ARTIFACTS).as_uri() if local else None
            self._experiment = self._client.create_experiment(suite, artifact_location=location)
        self._runs = self._existing()

    def put(self, records: Sequence[Record]) -> None:
        """Make the store hold the run of these records: one reported model, or one trial."""
        study = study_run(records[0])
        if study.key not in self._runs:
            self._write(study)
        self.put_run(record_run(records, self.out))

    def put_run(self, spec: RunSpec) -> None:
        """Make the store hold this run."""
        known = self._runs.get(spec.key)
        if known is None or known[1] != spec.digest:
            if known is not None:
                self._client.delete_run(known[0])
            self._write(spec)

    def put_files(self, files: Sequence[Path], key: str = "report") -> None:
        """Attach files to the run that holds them: the report and its figures to one of their own."""
        if key not in self._runs:
            self._write(RunSpec(key, None, key, 0, 0, False, {"kind": key}, {}, ()))
        for file in files:
            self._client.log_artifact(self._runs[key][0], str(file))

    def _existing(self) -> dict[str, tuple[str, str]]:
        """Complete runs of the store, key -> (run id, digest); one whose writer was killed is removed."""
        found: dict[str, tuple[str, str]] = {}
        token = None
        while True:
            page = self._client.search_runs([self._experiment], max_results=1_000, page_token=token)
            for run in page:
                tags = run.data.tags
                if "bench.key" not in tags or tags.get("bench.origin", "") != self._origin:
                    continue
                if "bench.digest" in tags and tags["bench.key"] not in found:
                    found[tags["bench.key"]] = (run.info.run_id, tags["bench.digest"])
                else:
                    self._client.delete_run(run.info.run_id)
            token = page.token
            if not token:
                return found

    def _write(self, spec: RunSpec) -> None:
        from mlflow.entities import Metric, Param, RunTag

        tags = {**spec.tags, "bench.key": spec.key}
        if self._origin:
            tags["bench.origin"] = self._origin
        if spec.parent is not None:
            tags["mlflow.parentRunId"] = self._runs[spec.parent][0]
        run = self._client.create_run(
            self._experiment, start_time=spec.started_ms or None, tags=tags, run_name=spec.name
        )
        run_id = run.info.run_id
        points = [Metric(point.name, point.value, spec.started_ms, point.step) for point in spec.points]
        self._client.log_batch(run_id, params=[Param(*item) for item in spec.params.items()])
        for start in range(0, len(points), _BATCH):
            self._client.log_batch(run_id, metrics=points[start : start + _BATCH])
        if spec.model is not None:
            self._log_picture(run_id, spec)
        self._client.set_terminated(run_id, "FAILED" if spec.failed else "FINISHED", end_time=spec.ended_ms or None)
        # Last of all: a run without its digest is an unfinished one.
        self._client.log_batch(run_id, tags=[RunTag("bench.digest", spec.digest)])
        self._runs[spec.key] = (run_id, spec.digest)

    def _log_picture(self, run_id: str, spec: RunSpec) -> None:
        from reports.figures import embeddings, read_embedding, save
        from reports.pictures import draw, read_pictures

        assert spec.model is not None
        found = read_embedding(spec.model)
        with tempfile.TemporaryDirectory() as folder:
            if found is not None:
                save(embeddings({spec.tags["method"]: found}, spec.name), Path(folder) / "embedding.png")
            for kind, _, figure in draw(read_pictures(spec.model), spec.name):
                save(figure, Path(folder) / f"{kind}.png")
            for path in sorted(Path(folder).iterdir()):
                self._client.log_artifact(run_id, str(path))


def synchronise(uri: str, suite: str, out: Path, records: Iterable[Record], files: Sequence[Path]) -> int:
    """Make a store hold what these records say; how many runs they make."""
    groups = by_run(records)
    store = Store(uri, suite, out)
    for group in groups.values():
        store.put(list(group.values()))
    store.put_files([file for file in files if file.exists()])
    return len(groups)


def _calm_mlflow() -> None:
    """No telemetry, no minutes of retries against a dead server, no migration log; with mlflow imported or not."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
