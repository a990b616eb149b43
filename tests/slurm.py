"""A real Slurm of one node and one device: munge, slurmctld and slurmd in a folder, as long as a test needs them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue")

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobRequeue=1
ReturnToService=2
SlurmdTimeout=10
KillWait=3
MinJobAge=5
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# A device for Slurm to deal out as it does GPUs.
DEVICES = "Name=gpu File=/dev/zero\n"


@dataclass
class Cluster:
    """One that runs; `environment` is what its commands need."""

    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self, *command: str) -> None:
        environment = {**os.environ, **self.environment}
        with (self.folder / f"{command[0]}.log").open("ab") as log:
            self.running[command[0]] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def start_node(self) -> None:
        self.start("slurmd", "-D", "-f", str(self.folder / "slurm.conf"))

    def kill_node(self) -> None:
        """Kill the node's daemon and all jobs on it, as if it lost its power."""
        daemon = self.running.pop("slurmd")
        daemon.kill()
        daemon.wait()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                ours = (
                    b"slurmstepd" in words[0]
                    and self.environment["SLURM_CONF"].encode() in (process / "environ").read_bytes()
                )
            except OSError:
                continue
            if ours or any(b"submitit" in word for word in words):
                os.kill(int(process.name), signal.SIGKILL)

    def ask(self, *command: str) -> str:
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)
        return done.stdout

    def stop(self) -> None:
        self.ask("scancel", "--user=root")
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def started(folder: Path) -> Cluster:
    """A cluster whose node is ready, installed first where that may be; the test is skipped where it cannot be had."""
    _install()
    folder.mkdir(parents=True)
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    ports = [_free_port() for _ in range(2)]
    host = socket.gethostname().split(".")[0]
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            host=host, folder=folder, cpus=os.cpu_count(), controller_port=ports[0], node_port=ports[1]
        )
    )
    (folder / "gres.conf").write_text(DEVICES)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    cluster = Cluster(folder)
    cluster.start(
        "munged", "--foreground", "--force", f"--socket={folder}/munge.socket", f"--key-file={folder}/munge.key",
        f"--pid-file={folder}/munge.pid", f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed",
    )  # fmt: skip
    time.sleep(1)
    cluster.start("slurmctld", "-D", "-f", str(folder / "slurm.conf"))
    cluster.start_node()
    deadline = time.monotonic() + 60
    while "idle" not in (said := cluster.ask("sinfo", "-h", "-o", "%T")):
        if time.monotonic() > deadline:
            cluster.stop()
            logs = {path.name: path.read_text(errors="replace")[-500:] for path in folder.glob("*.log")}
            pytest.skip(f"Slurm does not start here: sinfo says {said!r}, logs {logs}")
        time.sleep(0.5)
    return cluster


def _install() -> None:
    if all(shutil.which(program) for program in PROGRAMS) and os.geteuid() == 0:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip("needs munge and slurm-wlm, and to be root to run them")
    done = subprocess.run(
        ["apt-get", "install", "-y", "-q", "munge", "slurm-wlm"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"munge and slurm-wlm cannot be installed: {done.stderr[-300:]}")


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
