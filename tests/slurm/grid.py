"""A throw-away Grid Engine of one node, from Debian's packages, without systemd.

    with GridEngine(Path("/tmp/x")) as cluster:
        subprocess.run(["qhost"], env=cluster.environment)

Everything lies in one folder; nothing of the machine is changed. A Grid Engine of its own stays as
it is: this one has other ports and another SGE_ROOT.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from tests.slurm.cluster import until

PROGRAMS = ("sge_qmaster", "sge_execd", "qsub", "qstat", "qdel", "qacct", "qconf")
LIBRARY, SHARE = Path("/usr/lib/gridengine"), Path("/usr/share/gridengine")
SLOTS = 4


def missing() -> str | None:
    """Why no Grid Engine can be started here, or None."""
    if os.name != "posix" or os.geteuid() != 0:
        return "Grid Engine's daemons want to be started by root"
    absent = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if absent or not (LIBRARY / "spoolinit").exists():
        return f"Debian's gridengine is not installed ({', '.join(absent)}); see make test-sge"
    return None


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin"


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


class GridEngine:
    """Master and one node with a queue and the parallel environment ``smp``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ, "PATH": _path(), "SGE_ROOT": str(folder), "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(_free_port()), "SGE_EXECD_PORT": str(_free_port()),
        }  # fmt: skip

    def __enter__(self) -> GridEngine:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        common, spool = self.folder / "default/common", self.folder / "spool"
        for path in (common, spool / "qmaster", spool / "execd"):
            path.mkdir(parents=True, exist_ok=True)
        for name in ("bin", "lib", "util", "utilbin"):
            (self.folder / name).symlink_to(Path("/var/lib/gridengine") / name)
        where = f"{common};{spool / 'qmaster'}"
        (common / "bootstrap").write_text(
            "admin_user none\ndefault_domain none\nignore_fqdn true\nspooling_method classic\n"
            f"spooling_lib libspoolc\nspooling_params {where}\nbinary_path /usr/sbin\n"
            f"qmaster_spool_dir {spool / 'qmaster'}\nsecurity_mode none\nlistener_threads 2\n"
            "worker_threads 2\nscheduler_threads 1\n"
        )
        # whatever this machine is called, it is one host
        names = {"localhost", socket.gethostname(), socket.getfqdn()}
        (common / "act_qmaster").write_text("localhost\n")
        (common / "host_aliases").write_text(" ".join(sorted(names, key="localhost".__ne__)) + "\n")
        settings = {
            "execd_spool_dir": str(spool / "execd"), "min_uid": "0", "min_gid": "0",
            "load_report_time": "00:00:05",
        }  # fmt: skip
        changed = self._changed((SHARE / "default-configuration").read_text(), settings)
        self._must(str(LIBRARY / "spoolinit"), "classic", "libspoolc", where, "init")
        for what, source in {
            "configuration": changed, "complexes": str(SHARE / "util/resources/centry"),
            "usersets": str(SHARE / "util/resources/usersets"), "managers": "root",
        }.items():  # fmt: skip
            self._must(str(LIBRARY / "spooldefaults"), what, source)
        self.start_master()
        self._must("qconf", "-as", "localhost")
        self._must("qconf", "-Ap", str(SHARE / "util/resources/pe/smp"))
        self._must("sge_execd")
        until(lambda: "localhost" in self.ask("qconf", "-sel"), 30)
        # a shell as many sites have it, and the scheduler in a hurry
        self._must("qconf", "-Aq", self._changed(self.ask("qconf", "-sq"), {
            "qname": "main.q", "hostlist": "localhost", "slots": str(SLOTS), "pe_list": "smp",
            "shell": "/bin/csh", "load_thresholds": "NONE",
        }))  # fmt: skip
        self._must("qconf", "-Msconf", self._changed(self.ask("qconf", "-ssconf"), {
            "schedule_interval": "0:0:2", "flush_submit_sec": "1", "flush_finish_sec": "1",
        }))  # fmt: skip

    def _changed(self, text: str, values: dict[str, str]) -> str:
        """A file with the settings of a text, some of them changed."""
        for key, value in values.items():
            text = re.sub(rf"^{key}\s.*$", f"{key} {value}", text, flags=re.MULTILINE)
        path = self.folder / f"of-{next(iter(values))}"
        path.write_text(text)
        return str(path)

    def _must(self, *words: str) -> None:
        subprocess.run(words, env=self.environment, check=True, timeout=60,
                       stdout=subprocess.DEVNULL)  # fmt: skip

    def ask(self, *words: str) -> str:
        """What a command prints; nothing when it fails."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return subprocess.run(
                words, env=self.environment, capture_output=True, text=True, timeout=30,
                check=False,
            ).stdout  # fmt: skip
        return ""

    def start_master(self) -> None:
        """Start the master, which finds its jobs of before."""
        self._must("sge_qmaster")
        until(lambda: "localhost" in self.ask("qconf", "-sh"), 60)

    def stop_master(self) -> None:
        """End the master at once, without a word to anybody."""
        os.kill(int((self.folder / "spool/qmaster/qmaster.pid").read_text()), signal.SIGKILL)

    def names(self, *states: str) -> dict[str, str]:
        """The names of the jobs in some states (r, p; all), by their numbers."""
        said = self.ask("qstat", "-r", "-u", "*", *(["-s", "".join(states)] if states else []))
        return dict(re.findall(r"^ *(\d+) [^\n]*\n +Full jobname: +(\S+)", said, re.MULTILINE))

    def jobs(self, *_: str) -> list[str]:
        """The numbers of the jobs that are not done."""
        return list(self.names())

    def ended(self, number: str) -> tuple[int, int]:
        """``failed`` and ``exit_status`` of the accounting."""
        said = self.ask("qacct", "-j", number)
        return tuple(int(re.search(rf"^{name} +(\d+)", said, re.MULTILINE)[1])
                     for name in ("failed", "exit_status"))  # fmt: skip

    def clear(self) -> None:
        """Delete every job."""
        for number in self.names():
            self.ask("qdel", number)
        until(lambda: self.names() == {}, 60)

    def stop(self) -> None:
        """End jobs and daemons; those that do not obey by their own number."""
        with contextlib.suppress(Exception):
            self.clear()
        numbers = [int(path.read_text()) for path in self.folder.rglob("*.pid")
                   if path.name in ("qmaster.pid", "execd.pid")]  # fmt: skip
        self.ask("qconf", "-ke", "all")
        self.ask("qconf", "-km")
        for number in numbers:
            try:
                until(lambda number=number: not Path(f"/proc/{number}").exists(), 20)
            except Exception:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
