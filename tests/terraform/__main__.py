"""`python -m tests.terraform`: apply resources.tf with the real provider, and note what became of each block.

    TF_PROVIDER_AWS=…/terraform-provider-aws_v5.100.0_x5 python -m tests.terraform

It starts the embedded CloudStack and a bridge, applies, plans again (which should find nothing to change) and destroys,
and writes `runs.json`, which docs/terraform.md shows. `TERRAFORM` names another program, such as tofu.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tests.terraform.table import CONFIGURATION, RUNS, Result

PROGRAM = os.environ.get("TERRAFORM", "terraform")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOs32X0RA2hBs+01t9bSktJ4sVMBMryKR78zrPVQhhrO table@example"
BLOCK = re.compile(r'^(resource|data) "(\w+)" "(\w+)" \{(?:[^\n]*\}$|\n.*?^\}$)', re.MULTILINE | re.DOTALL)
ATTEMPTS = 8
"""How often a plan is made anew without the data sources that stopped it."""


class Terraform:
    """A directory with the configuration, and what Terraform says of it."""

    def __init__(self, place: Path, provider: Path, environment: dict[str, str]) -> None:
        self.place = place
        self.text = CONFIGURATION.read_text(encoding="utf-8")
        (place / "provider").mkdir()
        (place / "provider" / "terraform-provider-aws").symlink_to(provider)
        sources = ("registry.terraform.io/hashicorp/aws", "registry.opentofu.org/hashicorp/aws")
        overrides = "".join(f'    "{source}" = "{place / "provider"}"\n' for source in sources)
        (place / "rc").write_text(f"provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n}}\n")
        url = environment["AWS_ENDPOINT_URL_EC2"]
        (place / "provider.tf").write_text(
            f'provider "aws" {{\n  max_retries = 2\n  endpoints {{\n    ec2 = "{url}"\n    sts = "{url}"\n  }}\n}}\n'
        )
        self.environment = environment | {
            "TF_CLI_CONFIG_FILE": str(place / "rc"),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_VAR_image": environment["EC2BRIDGE_DEMO_IMAGE"],
            "TF_VAR_zone": environment["EC2BRIDGE_DEMO_ZONE"],
            "TF_VAR_public_key": KEY,
        }

    def says(self, *words: str) -> list[dict[str, Any]]:
        """Run a command; return its lines of JSON."""
        (self.place / "resources.tf").write_text(self.text)
        done = subprocess.run(
            [PROGRAM, *words], cwd=self.place, env=self.environment, capture_output=True, text=True
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if not lines:
            raise SystemExit(done.stdout + done.stderr)
        return [json.loads(line) for line in lines]

    def without(self, address: str) -> None:
        """Take a block, and every block that names it, out of the configuration."""
        gone = [address]
        while gone:
            name = gone.pop()
            for block in BLOCK.finditer(self.text):
                own = f"{'data.' if block[1] == 'data' else ''}{block[2]}.{block[3]}"
                if own == name or re.search(rf"(?<![\w.]){re.escape(name)}\b", block[0]):
                    self.text = self.text.replace(block[0], "")
                    if own != name:
                        gone.append(own)


def addresses(text: str) -> list[str]:
    """Return the addresses of all blocks of a configuration."""
    return [f"{'data.' if kind == 'data' else ''}{what}.{name}" for kind, what, name in BLOCK.findall(text)]


def errors(lines: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the address and the sentence of each error."""
    for line in lines:
        told = line.get("diagnostic", {})
        if told.get("severity") == "error":
            sentence = " ".join(f"{told['summary']} {told.get('detail', '')}".split())
            yield told.get("address", ""), re.sub(r"^.*api error ", "", sentence)


def play(terraform: Terraform) -> dict[str, Result]:
    """Apply, plan and destroy; return what became of each address."""
    found: dict[str, Result] = {}
    everything = addresses(terraform.text)
    for _ in range(ATTEMPTS):
        click.echo(f"planning and applying {len(addresses(terraform.text))} blocks …")
        lines = terraform.says("apply", "-auto-approve", "-json", "-input=false")
        wrong = dict(errors(lines))
        applied = {line["hook"]["resource"]["addr"] for line in lines if line["type"] == "apply_complete"}
        for address, sentence in wrong.items():
            found[address] = Result("refused", sentence)
        if any(not address.startswith("data.") for address in applied):
            break
        for address in wrong:
            terraform.without(address)
    else:
        raise SystemExit(f"it never comes to an apply: {wrong}")
    click.echo(f"{len(applied)} applied, {len(found)} refused; planning again …")
    again = terraform.says("plan", "-json", "-input=false")
    for line in again:
        if line["type"] == "planned_change":
            address = line["change"]["resource"]["addr"]
            if address in applied and line["change"]["action"] not in ("read", "noop"):
                found[address] = Result("drifts", f"a second plan wants to {line['change']['action']} it")
    click.echo("destroying …")
    for address, sentence in errors(terraform.says("destroy", "-auto-approve", "-json", "-input=false")):
        found[address] = Result("stays", sentence)
    for address in everything:
        if address not in found:
            read = address.startswith("data.") and address in addresses(terraform.text)
            works = address in applied or read
            found[address] = Result("works") if works else Result("untried", "what it stands on is refused")
    return found


def main() -> int:
    """Run, and write what was seen."""
    provider = Path(os.environ.get("TF_PROVIDER_AWS", ""))
    if not provider.is_file():
        click.echo("TF_PROVIDER_AWS names no file: it is the path of the provider's binary")
        return 2
    with tempfile.TemporaryDirectory(prefix="terraform-") as there:
        place = Path(there)
        file = place / "demo.env"
        words = [sys.executable, "-m", "ec2bridge", "demo", "--no-tour", "--listen", "127.0.0.1:0"]
        with (place / "demo.log").open("wb") as log:
            demo = subprocess.Popen([*words, "--env-file", str(file)], stdout=log)
        try:
            while "Serving at" not in (place / "demo.log").read_text():
                time.sleep(0.2)
            told = dict(re.findall(r"^export (\w+)='?(.*?)'?$", file.read_text(), re.MULTILINE))
            environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
            del told["PATH"]
            terraform = Terraform(place, provider, environment | told)
            version = subprocess.run(
                [PROGRAM, "version", "-json"], capture_output=True, text=True, check=True
            )
            found = play(terraform)
        finally:
            demo.terminate()
            demo.wait(30)
    number = re.search(r"_v([\d.]+)", provider.name)
    seen = {
        "program": f"Terraform {json.loads(version.stdout)['terraform_version']}",
        "provider": number[1] if number else provider.name,
        "found": {address: result.as_json() for address, result in sorted(found.items())},
    }
    RUNS.write_text(json.dumps(seen, indent=1) + "\n", encoding="utf-8")
    click.echo(f"wrote {RUNS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
