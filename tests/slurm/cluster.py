"""A throw-away Slurm of two nodes on one machine, without systemd and without cgroups.

    with Cluster(Path("/tmp/x"), accounting=True) as cluster:
        subprocess.run(["sinfo"], env=cluster.environment)

Everything lies in one folder but the link /etc/slurm/slurm.conf: the executor's plugin for job
steps drops SLURM_CONF, so that srun must find the configuration at its own place. A machine that
has a Slurm of its own is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
OF_ACCOUNTING = ("slurmdbd", "mariadbd", "mariadb-install-db")
SYSTEM_CONF = Path("/etc/slurm/slurm.conf")
#: Held by the cluster that runs: ports and SYSTEM_CONF are those of one.
LOCK = Path("/run/lock/ctcnv-test-slurm")
NODES = ("n1", "n2")
CPUS, MEMORY_MB = 2, 9000
PORTS = {"controller": 26817, "accounting": 26819, "database": 26306, "n1": 26821, "n2": 26822}


def missing(*, accounting: bool) -> str | None:
    """Why no Slurm can be started here, or None."""
    if os.name != "posix" or os.geteuid() != 0:
        return "Slurm's daemons want to be started by root"
    wanted = (*PROGRAMS, *(OF_ACCOUNTING if accounting else ()))
    absent = [name for name in wanted if shutil.which(name, path=_path()) is None]
    if absent:
        return f"{', '.join(absent)} not installed; make test-slurm installs Slurm where apt does"
    if SYSTEM_CONF.exists() and not SYSTEM_CONF.is_symlink():
        return f"{SYSTEM_CONF} is there: this machine has a Slurm of its own"
    if not Path("/sys/fs/cgroup").is_mount():
        return "slurmd wants /sys/fs/cgroup to be mounted"
    with LOCK.open("a") as handle:
        if not _locked(handle):
            return "another test on this machine runs a Slurm"
    return None


def _locked(handle: IO[str]) -> bool:
    """Take the lock of a file, which ends with the process; False when another holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"


@dataclass(frozen=True)
class Step:
    """A step of a job: how it ended, and the most memory that was seen."""

    state: str
    memory_mb: float


@dataclass(frozen=True)
class Job:
    """A job: how it ended, what it asked for, what it took, and its steps by their names."""

    state: str
    memory_mb: float
    minutes: int
    seconds: int
    steps: dict[str, Step]


class Cluster:
    """Controller, two nodes and, if wanted, the accounting with its database."""

    def __init__(self, folder: Path, *, accounting: bool) -> None:
        self.folder = folder
        self.accounting = accounting
        self._lock: IO[str] | None = None
        self._database: subprocess.Popen[bytes] | None = None
        self.environment = {
            **os.environ, "PATH": _path(), "SLURM_CONF": str(folder / "slurm.conf")
        }  # fmt: skip

    def __enter__(self) -> Cluster:
        self._lock = LOCK.open("a")
        if not _locked(self._lock):
            raise RuntimeError("another test on this machine runs a Slurm")
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Each daemon ---------------------------------------------------------------------------------

    def _start(self) -> None:
        for name in ("state", "log", "run", "munge", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for path in (self.folder, *self.folder.parents):  # the user munge has to get to its socket
            if path.stat().st_uid == os.geteuid() and path != Path("/"):
                path.chmod(path.stat().st_mode | 0o055)
        self._write_conf()
        SYSTEM_CONF.parent.mkdir(exist_ok=True)
        SYSTEM_CONF.unlink(missing_ok=True)
        SYSTEM_CONF.symlink_to(self.folder / "slurm.conf")
        self._start_munge()
        if self.accounting:
            self._start_database()
            self.start_accounting()
            for words in (["cluster", "throwaway"], ["account", "lab", "Cluster=throwaway"],
                          ["user", "root", "Account=lab"]):  # fmt: skip
                self.ask("sacctmgr", "-i", "add", *words)
        self.start_controller()
        for node in NODES:
            self.ask("slurmd", "-N", node)
        until(lambda: self.ask("sinfo", "-hN", "-o", "%T").split() == ["idle"] * len(NODES), 60)

    def ask(self, *words: str, seconds: float = 30) -> str:
        """What a command prints; nothing when it fails or takes too long."""
        try:
            done = subprocess.run(
                words, env=self.environment, capture_output=True, text=True, timeout=seconds,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout

    def start_controller(self) -> None:
        """Start the controller, which finds its state of before."""
        self.ask("slurmctld")
        until(lambda: "UP" in self.ask("scontrol", "ping"), 30)

    def stop_controller(self) -> None:
        """End the controller at once, without a word to anybody."""
        self._end("slurmctld", signal.SIGKILL)

    def start_accounting(self) -> None:
        """Start the accounting and wait until it answers."""
        self.ask("slurmdbd")
        until(lambda: "Cluster" in self.ask("sacctmgr", "show", "cluster"), 60)

    def stop_accounting(self) -> None:
        """End the accounting; the database behind it stays."""
        self._end("slurmdbd", signal.SIGKILL)

    def down(self, node: str) -> None:
        """Take a node away with all that runs on it."""
        self.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")

    def resume(self, node: str | None = None) -> None:
        """Give a node, or all, back."""
        for name in NODES if node is None else (node,):
            self.ask("scontrol", "update", f"NodeName={name}", "State=RESUME")

    def jobs(self, *states: str) -> list[str]:
        """Number and state of the jobs that are not done, or of those in the given states."""
        wanted = [f"--states={','.join(states)}"] if states else []
        return self.ask("squeue", "-h", "-o", "%i %T", *wanted).splitlines()

    def node_of(self, number: str) -> str:
        """The node on which a job runs."""
        return self.ask("squeue", "-h", "-o", "%N", "-j", number).strip()

    def account(self, number: str) -> Job:
        """What the accounting says of a job."""
        columns = "JobID,State,ReqMem,TimelimitRaw,ElapsedRaw,MaxRSS"
        rows = [
            line.split("|")
            for line in self.ask("sacct", "-nP", "-j", number, "-o", columns).splitlines()
        ]
        _, state, memory, minutes, seconds, _ = rows[0]
        steps = {
            row[0].partition(".")[2]: Step(row[1].split()[0], _megabytes(row[5]))
            for row in rows[1:]
        }
        return Job(state.split()[0], _megabytes(memory), int(minutes), int(seconds), steps)

    def clear(self) -> None:
        """Cancel every job and give every node back; RuntimeError when one does not come."""
        self.ask("scancel", "--user=root")
        until(lambda: self.jobs() == [], 60)
        self.resume()
        until(lambda: self.ask("sinfo", "-hN", "-o", "%T").split() == ["idle"] * len(NODES), 60)

    def stop(self) -> None:
        """End every daemon, by its own number."""
        self.ask("scancel", "--user=root", seconds=10)
        for name in (*(f"slurmd.{node}" for node in NODES), "slurmctld", "slurmdbd", "mariadbd",
                     "munged"):  # fmt: skip
            self._end(name, signal.SIGTERM)
        if self._database is not None:
            self._database.wait(timeout=30)
        with contextlib.suppress(OSError):
            if SYSTEM_CONF.readlink() == self.folder / "slurm.conf":
                SYSTEM_CONF.unlink()
        if self._lock is not None:
            self._lock.close()

    def _end(self, name: str, number: int) -> None:
        path = self.folder / "run" / f"{name}.pid"
        if not path.is_file() or not path.read_text().strip():
            return
        pid = int(path.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            end = time.monotonic() + 20
            while time.monotonic() < end and _alive(pid):
                time.sleep(0.1)
            if _alive(pid):
                os.kill(pid, signal.SIGKILL)
        path.unlink(missing_ok=True)

    # Configuration -------------------------------------------------------------------------------

    def _start_munge(self) -> None:
        munge = self.folder / "munge"
        key = munge / "key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        for path in (munge, key, self.folder / "run"):
            shutil.chown(path, "munge", "munge")
        subprocess.run(
            ["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups", "munged", "--force",
             f"--key-file={key}", f"--socket={munge}/socket", f"--seed-file={munge}/seed",
             f"--log-file={munge}/log", f"--pid-file={self.folder}/run/munged.pid"],
            env=self.environment, check=True, timeout=30,
        )  # fmt: skip

    def _start_database(self) -> None:
        data = self.folder / "mysql"
        data.mkdir(exist_ok=True)
        shutil.chown(data, "mysql", "mysql")
        with (self.folder / "log/mariadbd").open("wb") as log:
            subprocess.run(
                ["mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}",
                 "--auth-root-authentication-method=normal", "--skip-test-db"],
                stdout=log, stderr=log, env=self.environment, check=True, timeout=120,
            )  # fmt: skip
            self._database = subprocess.Popen(
                ["mariadbd", "--no-defaults", "--user=mysql", f"--datadir={data}",
                 f"--socket={data}/socket", f"--port={PORTS['database']}",
                 "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=64M",
                 "--innodb-lock-wait-timeout=900"],
                stdout=log, stderr=log, env=self.environment,
            )  # fmt: skip
        (self.folder / "run/mariadbd.pid").write_text(str(self._database.pid))
        words = ("mariadb", "--no-defaults", f"--socket={data}/socket", "-e")
        until(lambda: "1" in self.ask(*words, "select 1"), 60)
        self.ask(
            *words,
            "create database slurm; create user 'slurm'@'127.0.0.1' identified by 'slurm'; "
            "grant all on slurm.* to 'slurm'@'127.0.0.1'",
        )

    def _write_conf(self) -> None:
        host, at = socket.gethostname().split(".")[0], self.folder
        lines = {
            "ClusterName": "throwaway",
            "SlurmctldHost": host,
            "SlurmctldPort": PORTS["controller"],
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={at}/munge/socket",
            "CryptoType": "crypto/munge",
            "StateSaveLocation": at / "state",
            "SlurmctldPidFile": at / "run/slurmctld.pid",
            "SlurmctldLogFile": at / "log/slurmctld",
            "SlurmdPidFile": at / "run/slurmd.%n.pid",
            "SlurmdLogFile": at / "log/slurmd.%n",
            "SlurmdSpoolDir": at / "spool/%n",
            # processes are found by their parents, not by cgroups
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "MpiDefault": "none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            # a job that fits no node is refused instead of waiting for ever
            "EnforcePartLimits": "ALL",
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": "sched_interval=2,bf_interval=2,batch_sched_delay=0",
            "ReturnToService": 2,
            "MinJobAge": 300,
            "SlurmctldTimeout": 30,
            "SlurmdTimeout": 60,
            "KillWait": 2,
            # memory is looked at every second; a job above its request is killed
            "JobAcctGatherType": "jobacct_gather/linux",
            "JobAcctGatherFrequency": "task=1",
            "JobAcctGatherParams": "OverMemoryKill",
        }  # fmt: skip
        if self.accounting:
            lines |= {
                "AccountingStorageType": "accounting_storage/slurmdbd",
                "AccountingStorageHost": host,
                "AccountingStoragePort": PORTS["accounting"],
                "AccountingStoragePass": at / "munge/socket",
            }
            of_accounting = {
                "AuthType": "auth/munge",
                "AuthInfo": f"socket={at}/munge/socket",
                "DbdHost": host,
                "DbdPort": PORTS["accounting"],
                "SlurmUser": "root",
                "PidFile": at / "run/slurmdbd.pid",
                "LogFile": at / "log/slurmdbd",
                "StorageType": "accounting_storage/mysql",
                "StorageHost": "127.0.0.1",
                "StoragePort": PORTS["database"],
                "StorageUser": "slurm",
                "StoragePass": "slurm",
                "StorageLoc": "slurm",
            }
            path = at / "slurmdbd.conf"
            path.touch(0o600)
            path.write_text(_text(of_accounting))
        text = _text(lines)
        for node in NODES:
            text += (
                f"NodeName={node} NodeHostname={host} Port={PORTS[node]} CPUs={CPUS} "
                f"RealMemory={MEMORY_MB}\n"
            )
        text += "PartitionName=main Nodes=n[1-2] Default=YES MaxTime=600 State=UP\n"
        (at / "slurm.conf").write_text(text)


def _megabytes(text: str) -> float:
    """Memory as Slurm writes it: 218288K, 318M, 2G; nothing where it was not measured."""
    units = {"K": 1 / 1024, "M": 1.0, "G": 1024.0}
    return float(text[:-1]) * units[text[-1]] if text and text[-1] in units else 0.0


def _text(lines: dict[str, object]) -> str:
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def _alive(pid: int) -> bool:
    try:
        # a child that has ended but was not asked is a zombie
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until it holds; RuntimeError when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds:g} s")
        time.sleep(0.3)
