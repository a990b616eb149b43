"""An MLflow store, made to hold what the records say."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from bench.record.records import Record
from bench.suite.canonical import digest
from bench.suite.metrics import KnownMetrics
from bench.track.attachments import attach
from bench.track.moved import take_along
from bench.track.places import ARTIFACTS, DATABASE
from bench.track.runs import Finished, RunSpec, by_run, record_run, records_digest, study_key, study_run
from bench.track.views import view_tags

# What MLflow takes at once; beside parameters and tags of a run it is fewer.
_BATCH, _BESIDE = 1_000, 800
_PARENT = "mlflow.parentRunId"
# Tags of the experiment, for each folder: digests of the records and of the whole that it holds completely.
_RECORDS, _WHOLE = "bench.records", "bench.whole"


class Store:
    """An MLflow store that holds, or is made to hold, what the records say."""

    def __init__(self, uri: str, suite: str, out: Path, metrics: KnownMetrics) -> None:
        _calm_mlflow()
        from mlflow import MlflowClient

        self.out, self.metrics = out.resolve(), metrics
        local = uri == "sqlite"
        # On a server, runs of another folder with the same suite are not ours to replace.
        self._origin = "" if local else f"{platform.node()}:{self.out}"
        if local:
            take_along(self.out / DATABASE, self.out / ARTIFACTS)
        self._client = MlflowClient(f"sqlite:///{self.out / DATABASE}" if local else uri)
        experiment = self._client.get_experiment_by_name(suite)
        self._held = {} if experiment is None else dict(experiment.tags)
        if experiment is not None:
            self._experiment = experiment.experiment_id
        else:
            location = (self.out / ARTIFACTS).as_uri() if local else None
            self._experiment = self._client.create_experiment(suite, artifact_location=location)

    def holds(self, groups: Mapping[str, Mapping[str, Record]]) -> bool:
        """Whether the runs of these records are all in the store since a suite ended with them."""
        records = [record for group in groups.values() for record in group.values()]
        needed = groups.keys() | {study_key(record) for record in records}
        return self._held.get(self._tag(_RECORDS)) == records_digest(records) and needed <= self._runs.keys()

    def holds_all_of(self, finished: Finished) -> bool:
        """Whether the store was finished with this, so that nothing of it needs to be looked at."""
        return self._held.get(self._tag(_WHOLE)) == finished.digest(self.out)

    def put(self, records: Sequence[Record]) -> None:
        """Make the store hold the run of these records: one reported model, or one trial."""
        study = study_run(records[0])
        if study.key not in self._runs:
            self._write(study)
        self.put_run(record_run(records, self.out, self.metrics))

    def put_run(self, spec: RunSpec) -> None:
        """Make the store hold this run."""
        known = self._runs.get(spec.key)
        if known is None or known[1] != spec.digest:
            if known is not None:
                self._client.delete_run(known[0])
            self._write(spec)

    def finish(self, finished: Finished) -> None:
        """Say in each study's run how it ended, attach the reports, and keep a view of each data set."""
        # What is killed from here on holds no whole.
        self._client.set_experiment_tag(self._experiment, self._tag(_WHOLE), "")
        for spec in finished.studies():
            self._finish_study(spec)
        for key, name in finished.other_configurations().items():
            self._client.update_run(self._runs[key][0], name=name)
        self.put_files([file for file in finished.files if file.exists()])
        for name, value in view_tags(finished.columns(), finished.methods, finished.ended_ms).items():
            self._client.set_experiment_tag(self._experiment, name, value)
        # Last of all, as it says that the rest is there.
        for name, value in ((_RECORDS, records_digest(finished.records)), (_WHOLE, finished.digest(self.out))):
            self._client.set_experiment_tag(self._experiment, self._tag(name), value)

    def _tag(self, name: str) -> str:
        return f"{name}.{digest(self._origin)}" if self._origin else name

    def put_files(self, files: Sequence[Path], key: str = "report") -> None:
        """Attach files to the run that holds them, in their folders: the report and its figures to one of their own."""
        if key not in self._runs:
            self._write(RunSpec(key, None, key, 0, 0, False, {"kind": key}, {}, ()))
        for file in files:
            folder = file.resolve().parent.relative_to(self.out).as_posix()
            self._client.log_artifact(self._runs[key][0], str(file), "" if folder == "." else folder)

    def _finish_study(self, spec: RunSpec) -> None:
        run_id, digest = self._runs[spec.key]
        if digest == spec.digest:
            return
        if self._client.get_run(run_id).data.params:
            # Parameters cannot be changed: a study that has ended otherwise before gets a new run.
            children = self._client.search_runs(
                [self._experiment], f"tags.`{_PARENT}` = '{run_id}'", max_results=50_000
            )
            self._client.delete_run(run_id)
            run_id = self._create(spec)
            for child in children:
                self._client.set_tag(child.info.run_id, _PARENT, run_id)
        self._fill(run_id, spec)

    @cached_property
    def _runs(self) -> dict[str, tuple[str, str]]:
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
        self._fill(self._create(spec), spec)

    def _create(self, spec: RunSpec) -> str:
        tags = {"bench.key": spec.key}
        if self._origin:
            tags["bench.origin"] = self._origin
        if spec.parent is not None:
            tags[_PARENT] = self._runs[spec.parent][0]
        run = self._client.create_run(
            self._experiment, start_time=spec.started_ms or None, tags=tags, run_name=spec.name
        )
        return str(run.info.run_id)

    def _fill(self, run_id: str, spec: RunSpec) -> None:
        from mlflow.entities import Metric, Param, RunTag

        points = [Metric(point.name, point.value, spec.started_ms, point.step) for point in spec.points]
        params, tags = [Param(*item) for item in spec.params.items()], [RunTag(*item) for item in spec.tags.items()]
        self._client.log_batch(run_id, points[:_BESIDE], params, tags)
        for start in range(_BESIDE, len(points), _BATCH):
            self._client.log_batch(run_id, metrics=points[start : start + _BATCH])
        if spec.dataset:
            self._log_dataset(run_id, spec.dataset)
        attach(self._client, run_id, spec)
        self._client.set_terminated(run_id, "FAILED" if spec.failed else "FINISHED", end_time=spec.ended_ms or None)
        # Last of all: a run without its digest is an unfinished one.
        self._client.log_batch(run_id, tags=[RunTag("bench.digest", spec.digest)])
        self._runs[spec.key] = (run_id, spec.digest)

    def _log_dataset(self, run_id: str, dataset: Mapping[str, str]) -> None:
        from mlflow.entities import Dataset, DatasetInput

        known = Dataset(dataset["name"], dataset["digest"], source_type="latentbench", source=dataset["source"])
        self._client.log_inputs(run_id, [DatasetInput(known)])


def synchronise(uri: str, suite: str, out: Path, finished: Finished) -> int:
    """Make a store hold what these records say; how many runs they make."""
    groups = by_run(finished.records)
    store = Store(uri, suite, out, finished.metrics)
    for group in groups.values():
        store.put(list(group.values()))
    store.finish(finished)
    return len(groups)


def _calm_mlflow() -> None:
    """No telemetry, no minutes of retries against a dead server, no migration log; with mlflow imported or not."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
