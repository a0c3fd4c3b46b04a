"""A Slurm cluster of one node, this machine, for as long as a command runs.

    python tests/slurm_cluster.py COMMAND...

Configuration, key, sockets and logs lie in a new temporary folder, and the daemons listen on
free ports of the loopback: a Slurm that the machine may have is neither read nor touched.  The
command finds the cluster through SLURM_CONF.  Afterwards its jobs are killed, the daemons
stopped and the folder removed, whatever happened.
"""

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun")
NAME = "unfolded"
# Debian keeps daemons where the path of an ordinary user does not look.
PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))

_CONF = """\
ClusterName={name}
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
KillWait=1
SlurmdParameters=config_overrides
NodeName={name} NodeAddr=127.0.0.1 CPUs=1 RealMemory=8000 State=UNKNOWN
PartitionName={name} Nodes={name} Default=YES
"""


class NoCluster(Exception):
    """The cluster cannot be had here, or did not start; the message says why."""


def missing() -> str:
    """Return why there can be no cluster here, or an empty string."""
    lacking = [name for name in NEEDED if not shutil.which(name, path=PATH)]
    if lacking:
        return f"Slurm is not installed: no {', '.join(lacking)}"
    names = {process.info["name"] for process in psutil.process_iter(["name"])}
    running = sorted(names & {"slurmctld", "slurmd"})
    return f"a Slurm of this machine runs already: {', '.join(running)}" if running else ""


@contextlib.contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Start a cluster, yield the environment in which commands find it, and stop it."""
    # A socket's path must be short, which pytest's temporary folders are not.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    environment["PATH"] = f"{folder}/bin{os.pathsep}{PATH}"
    daemons: list[subprocess.Popen] = []
    try:
        _configure(folder)
        for name, options in _daemons(folder).items():
            daemons.append(_start(folder, environment, name, options))
            if name == "munged":
                _await(folder, daemons, (folder / "munge.socket").is_socket, "no socket of munge")
        _await(folder, daemons, lambda: _state(environment) == "idle", "no node that is idle")
        yield environment
    finally:
        _stop(folder, environment, daemons)
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path) -> None:
    folder.chmod(0o711)  # munge wants its socket within the reach of all
    for name in ("state", "spool"):
        (folder / name).mkdir(mode=0o700)
    (folder / "key").write_bytes(secrets.token_bytes(128))
    (folder / "key").chmod(0o400)
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [server.getsockname()[1] for server in taken]
    for server in taken:
        server.close()
    text = _CONF.format(name=NAME, ports=ports, user=getpass.getuser(), folder=folder)
    (folder / "slurm.conf").write_text(text, encoding="utf-8")
    # Snakemake starts srun without SLURM_CONF.
    (folder / "bin").mkdir()
    (folder / "bin" / "srun").write_text(
        f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun", path=PATH)} "$@"\n'
    )
    (folder / "bin" / "srun").chmod(0o755)


def _daemons(folder: Path) -> dict[str, list[str]]:
    munge = {"socket": "munge.socket", "key-file": "key", "seed-file": "seed"}
    munge |= {"pid-file": "munged.pid", "log-file": "munge.log"}
    conf = ["-D", "-f", str(folder / "slurm.conf")]
    return {
        "munged": ["--foreground", *(f"--{k}={folder / v}" for k, v in munge.items())],
        "slurmctld": conf,
        "slurmd": [*conf, "-N", NAME],
    }


def _start(folder: Path, environment: dict, name: str, options: list[str]) -> subprocess.Popen:
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [shutil.which(name, path=PATH), *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await(folder: Path, daemons: list, there: Callable[[], bool], otherwise: str) -> None:
    for _ in range(200):
        if there():
            return
        if any(daemon.poll() is not None for daemon in daemons):
            break
        time.sleep(0.1)
    said = [log.read_text(errors="replace").splitlines()[-3:] for log in folder.glob("*.log")]
    lines = "\n".join(line for tail in said for line in tail)
    raise NoCluster(f"expected a cluster that starts; got {otherwise}; its logs end with\n{lines}")


def _state(environment: dict) -> str:
    call = ["sinfo", "--noheader", "--format=%T"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=5)
        return done.stdout.strip()
    return ""


def _stop(folder: Path, environment: dict, daemons: list[subprocess.Popen]) -> None:
    """Stop the daemons, then whatever else runs with this cluster's configuration."""
    ours = [process for process in psutil.process_iter() if belongs(process, folder)]
    for daemon in reversed(daemons):
        daemon.terminate()
    for daemon in reversed(daemons):
        try:
            daemon.wait(5)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    # What was about to start when the daemons stopped is there by now.
    for process in ours + [member for member in psutil.process_iter() if belongs(member, folder)]:
        with contextlib.suppress(psutil.Error):
            process.kill()


def belongs(process: psutil.Process, folder: Path) -> bool:
    """Tell a job by its environment, and its keeper, who hides that, by the socket it serves."""
    with contextlib.suppress(psutil.Error):
        if process.environ().get("SLURM_CONF") == str(folder / "slurm.conf"):
            return True
        if process.name() == "slurmstepd":
            served = process.net_connections("unix")
            return any(str(connection.laddr).startswith(f"{folder}/") for connection in served)
    return False


def main(command: list[str]) -> int:
    """Run a command with a cluster and return its exit status."""
    # Told to end, Python leaves its blocks in order, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    why = missing()
    if why:
        print(why, file=sys.stderr)
        return 1
    try:
        with cluster() as environment:
            return subprocess.run(command, env=environment).returncode
    except NoCluster as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
