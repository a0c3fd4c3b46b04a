"""A temporary Slurm cluster of one node, this machine, for the duration of a command.

    python tests/slurm_cluster.py COMMAND...

The configuration, the key, the sockets and the logs are in a new temporary folder, and the daemons
use free ports of the loopback interface, so that an installed Slurm configuration is not used. The
variable SLURM_CONF selects the cluster for the command. After the command, also after an error, the
jobs are killed, the daemons are stopped, and the folder is removed.
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

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun")
NAME = "unfolded"
# Debian installs daemons in folders that are not in the path of an ordinary user.
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
    """A cluster is not possible on this machine, or did not start; the message has the reason."""


def obstacle() -> str:
    """Return the reason why no cluster is possible on this machine, or an empty string."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
    if missing:
        return f"Slurm is not installed: no {', '.join(missing)}"
    names = {process.info["name"] for process in psutil.process_iter(["name"])}
    running = sorted(names & {"slurmctld", "slurmd"})
    return f"another Slurm runs on this machine: {', '.join(running)}" if running else ""


@contextlib.contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Start a cluster, yield the environment of its commands, and stop it."""
    # The path of a socket must be short, but paths of pytest's temporary folders are long.
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
        _await(folder, daemons, lambda: _state(environment) == "idle", "no idle node")
        yield environment
    finally:
        _stop(folder, environment, daemons)
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path) -> None:
    folder.chmod(0o711)  # munge requires that all users can reach its socket.
    for name in ("state", "spool"):
        (folder / name).mkdir(mode=0o700)
    (folder / "key").write_bytes(secrets.token_bytes(128))
    (folder / "key").chmod(0o400)
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
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


def _await(folder: Path, daemons: list, is_ready: Callable[[], bool], got: str) -> None:
    for _ in range(200):
        if is_ready():
            return
        if any(daemon.poll() is not None for daemon in daemons):
            break
        time.sleep(0.1)
    tails = [log.read_text(errors="replace").splitlines()[-3:] for log in folder.glob("*.log")]
    lines = "\n".join(line for tail in tails for line in tail)
    raise NoCluster(f"expected a cluster that starts; got {got}; the logs end with\n{lines}")


def _state(environment: dict) -> str:
    call = ["sinfo", "--noheader", "--format=%T"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        process = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=5)
        return process.stdout.strip()
    return ""


def _stop(folder: Path, environment: dict, daemons: list[subprocess.Popen]) -> None:
    """Stop the daemons, then kill all other processes with the configuration of this cluster."""
    processes = [process for process in psutil.process_iter() if belongs(process, folder)]
    for daemon in reversed(daemons):
        daemon.terminate()
    for daemon in reversed(daemons):
        try:
            daemon.wait(5)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    # The second search finds processes that started while the daemons stopped.
    processes += [process for process in psutil.process_iter() if belongs(process, folder)]
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def belongs(process: psutil.Process, folder: Path) -> bool:
    """Return whether a process is a job or monitor, by its environment or by its socket."""
    with contextlib.suppress(psutil.Error):
        if process.environ().get("SLURM_CONF") == str(folder / "slurm.conf"):
            return True
        if process.name() == "slurmstepd":
            served = process.net_connections("unix")
            return any(str(connection.laddr).startswith(f"{folder}/") for connection in served)
    return False


def main(command: list[str]) -> int:
    """Run a command with a cluster and return its exit status."""
    # After SIGTERM, as after Ctrl-C, Python executes the finally blocks.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if reason := obstacle():
        print(reason, file=sys.stderr)
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
