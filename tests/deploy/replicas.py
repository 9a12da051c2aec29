"""Two bridges with the compose file's settings on one PostgreSQL behind haproxy, one of them killed under load.

    python -m tests.deploy.replicas

Clients that retry as SDKs do launch and terminate machines, with tokens, and list them all the while. Half-way one
bridge is killed, and started again later. In the end every call has been answered, no machine was made twice and none
was lost. It needs Debian's postgresql and haproxy, and root to become the database's user.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import boto3
import click
import yaml
from botocore.config import Config

from ec2bridge.simulator.seed import demo_key
from tests.sockets import free_port

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "deploy/compose"
REGION = "us-east-1"
CLIENTS = 6
ROUNDS = 12


@dataclass
class Stage:
    """The processes of the compose file, on this machine."""

    folder: Path
    stack: ExitStack
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in NAMES})
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, name: str, *words: str | Path, **environment: str) -> None:
        """Start a process, whose output goes into a file of its name."""
        log = self.stack.enter_context((self.folder / f"{name}.log").open("ab"))
        process = subprocess.Popen(
            [str(word) for word in words], env={**os.environ, **environment}, stdout=log, stderr=log
        )
        self.processes[name] = process
        self.stack.callback(end, process)

    def start(self) -> None:
        """Start all in the order of their dependence."""
        self.postgresql()
        self.run("simulator", *OURS, "simulator", "--listen", f"127.0.0.1:{self.ports['simulator']}")
        until(
            f"http://127.0.0.1:{self.ports['simulator']}/client/api", "the embedded CloudStack", known=(401,)
        )
        for name in BRIDGES:
            self.bridge(name)
        addresses = {f"BRIDGE_{name[-1]}": f"127.0.0.1:{self.ports[name]}" for name in BRIDGES}
        self.run(
            "proxy",
            shutil.which("haproxy") or "/usr/sbin/haproxy",
            "-f",
            COMPOSE / "haproxy.cfg",
            LISTEN=f"127.0.0.1:{self.ports['proxy']}",
            **addresses,
        )
        until(f"{self.url}/health", "the proxy with a bridge behind it")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['proxy']}"

    def bridge(self, name: str) -> None:
        """Start a bridge with the compose file's settings; only names of hosts and ports are this machine's."""
        service = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"][name]
        settings = {
            key: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) for key, value in service["environment"].items()
        }
        here = {
            "simulator:8080": f"127.0.0.1:{self.ports['simulator']}",
            "@postgresql/": f"@127.0.0.1:{self.ports['postgresql']}/",
            "0.0.0.0:8788": f"127.0.0.1:{self.ports[name]}",
            "0.0.0.0:9788": f"127.0.0.1:{free_port()}",
        }
        for key, value in settings.items():
            for there, local in here.items():
                value = value.replace(there, local)
            settings[key] = value
        self.run(name, *OURS, "serve", **settings)
        until(f"http://127.0.0.1:{self.ports[name]}/readyz", name)

    def postgresql(self) -> None:
        """Start a database of its own, as the user that PostgreSQL wants to be."""
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        data = self.folder / "postgresql"
        data.mkdir()
        self.folder.chmod(0o755)
        shutil.chown(data, "postgres", "postgres")
        as_user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
        password = self.folder / "password"
        password.write_text("ec2bridge\n")
        password.chmod(0o644)
        subprocess.run(
            [
                *as_user,
                binaries / "initdb",
                "-D",
                data,
                "-U",
                "ec2bridge",
                f"--pwfile={password}",
                "-A",
                "scram-sha-256",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        where = ["-p", str(self.ports["postgresql"]), "-k", str(data), "-h", "127.0.0.1"]
        self.run("postgresql", *as_user, binaries / "postgres", "-D", data, *where, "-c", "fsync=off")
        for _ in range(200):
            done = subprocess.run(
                [
                    binaries / "createdb",
                    "-h",
                    "127.0.0.1",
                    "-p",
                    str(self.ports["postgresql"]),
                    "-U",
                    "ec2bridge",
                    "ec2bridge",
                ],
                env={**os.environ, "PGPASSWORD": "ec2bridge"},
                stderr=subprocess.DEVNULL,
                check=False,
            )
            if done.returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL did not start")


BRIDGES = ("bridge-1", "bridge-2")
NAMES = ("postgresql", "simulator", "proxy", *BRIDGES)
OURS = (sys.executable, "-m", "ec2bridge")


def end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(url: str, what: str, known: tuple[int, ...] = ()) -> None:
    """Wait until a URL answers 200, or a status that will do."""
    for _ in range(300):
        try:
            with urlopen(url):
                return
        except URLError as error:
            if getattr(error, "code", None) in known:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{what} did not come up at {url}")


@dataclass
class Load:
    """Clients that go on whatever happens, and what they were told."""

    url: str
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    launched: dict[str, set[str]] = field(default_factory=dict)
    """Token → the ids that were answered for it."""
    left: set[str] = field(default_factory=set)
    rounds: int = 0

    def client(self) -> Any:
        return boto3.session.Session().client(
            "ec2",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=demo_key("alice api key"),
            aws_secret_access_key=demo_key("alice secret key"),
            config=Config(retries={"mode": "standard", "total_max_attempts": 8}, read_timeout=60),
        )

    def story(self, ec2: Any, image: str) -> None:
        """Launch two machines, see them, end one."""
        token = str(uuid.uuid4())
        answer = ec2.run_instances(
            ImageId=image, InstanceType="t2.micro", MinCount=2, MaxCount=2, ClientToken=token
        )
        self.note("RunInstances", answer)
        ids = [machine["InstanceId"] for machine in answer["Instances"]]
        self.launched[token] = set(ids)
        self.note("DescribeInstances", ec2.describe_instances(InstanceIds=ids))
        self.note("CreateTags", ec2.create_tags(Resources=ids, Tags=[{"Key": "token", "Value": token}]))
        self.note("TerminateInstances", ec2.terminate_instances(InstanceIds=ids[:1]))
        self.left.add(ids[1])

    def note(self, action: str, answer: Any) -> None:
        self.outcomes[action] += 1
        retries = answer["ResponseMetadata"]["RetryAttempts"]
        if retries:
            self.outcomes["answered after a retry"] += 1

    def work(self) -> None:
        ec2 = self.client()
        image = ec2.describe_images()["Images"][0]["ImageId"]
        for _ in range(ROUNDS):
            try:
                self.story(ec2, image)
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            self.rounds += 1


def play(stage: Stage) -> list[str]:
    """Play the load with a kill in it; return what went wrong."""
    load = Load(stage.url)
    threads = [threading.Thread(target=load.work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    wait_for(load, CLIENTS * ROUNDS // 3)
    click.echo(f"after {load.rounds} rounds bridge-1 is killed")
    stage.processes["bridge-1"].kill()
    wait_for(load, CLIENTS * ROUNDS * 2 // 3)
    stage.bridge("bridge-1")
    click.echo(f"after {load.rounds} rounds it is back")
    for thread in threads:
        thread.join()
    for name, count in load.outcomes.items():
        click.echo(f"{count:5} {name}")
    return load.failures + twins(load)


def wait_for(load: Load, rounds: int) -> None:
    while load.rounds < rounds:
        time.sleep(0.05)


def twins(load: Load) -> list[str]:
    """What is there that nobody was told of, and what is not that somebody was."""
    ec2 = load.client()
    wanted = {ident for ids in load.launched.values() for ident in ids}
    for _ in range(300):
        pages = ec2.get_paginator("describe_instances").paginate()
        found = {
            machine["InstanceId"]: machine["State"]["Name"]
            for page in pages
            for reservation in page["Reservations"]
            for machine in reservation["Instances"]
        }
        alive = {ident for ident, state in found.items() if state not in ("terminated", "shutting-down")}
        if alive == load.left and "shutting-down" not in found.values():
            break
        time.sleep(0.2)
    wrong = [f"{ident} lives and nobody was told of it" for ident in sorted(alive - wanted)]
    wrong += [f"{ident} lives and was terminated" for ident in sorted((alive & wanted) - load.left)]
    wrong += [f"{ident} is {found.get(ident, 'gone')} and should live" for ident in sorted(load.left - alive)]
    click.echo(f"{len(load.launched)} launches, {len(alive)} machines alive as they should be")
    return wrong


def main() -> int:
    """Play it in a folder of its own; its logs stay when something went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="replicas-"))
    with ExitStack() as stack:
        stage = Stage(folder, stack)
        stage.start()
        wrong = play(stage)
    for name in BRIDGES:
        log = (folder / f"{name}.log").read_text()
        if "traceback" in log:
            wrong.append(f"{folder}/{name}.log has a traceback")
    if wrong:
        click.echo("\n".join(wrong[:20]))
        click.echo(f"{len(wrong)} things went wrong; the logs are in {folder}")
        return 1
    shutil.rmtree(folder)
    click.echo("Nothing was lost, and nothing made twice.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
