"""A backup that is made under load, and restored elsewhere, holds all that Terraform sees: its plan is empty."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from ec2bridge.__main__ import main
from tests.conftest import Place

PLUGINS = Path("/opt/tf-plugins")
AWS_REGION = "us-east-1"
"""The provider takes no region that AWS has not got."""
EMPTY, CHANGES = 0, 2
"""What `terraform plan -detailed-exitcode` ends with."""

pytestmark = [
    pytest.mark.skipif(
        not shutil.which("terraform") or not PLUGINS.exists(),
        reason="needs terraform, and its provider for AWS",
    ),
    # The provider takes ten seconds to begin, four times, and more where other programs run.
    pytest.mark.timeout(900),
]


class Terraform:
    """One folder with its state."""

    def __init__(self, folder: Path, place: Place, configuration: str, plugins: Path = PLUGINS) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "main.tf").write_text(configuration, encoding="utf-8")
        mirror = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{plugins}"\n  }}\n}}\n'
        (folder / "rc").write_text(mirror, encoding="utf-8")
        keys = place.sim.accounts["alice"]
        image = place.client().describe_images()["Images"][0]["ImageId"]
        self.environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": keys.api_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_REGION": AWS_REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": str(folder / "rc"),
            "TF_IN_AUTOMATION": "1",
            "TF_VAR_image": image,
            "TF_VAR_zone": f"{AWS_REGION}a",
        }
        self.run(place.url, "init", [EMPTY])

    def run(self, endpoint: str, command: str, ends: list[int], *words: str) -> str:
        """Run a command against an endpoint; it must end with one of these codes."""
        done = subprocess.run(
            ["terraform", command, "-no-color", "-input=false", *words],
            cwd=self.folder,
            env={**self.environment, "TF_VAR_endpoint": endpoint},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in ends, done.stdout + done.stderr
        return done.stdout

    def plan(self, endpoint: str, ends: int) -> str:
        return self.run(endpoint, "plan", [ends], "-detailed-exitcode", "-lock=false")


@contextmanager
def load(place: Place) -> Iterator[None]:
    """Have two clients write and remove in the store all the while."""
    done = threading.Event()

    def work(number: int) -> None:
        ec2, count = place.client("bob"), 0
        while not done.is_set():
            count += 1
            name = f"load-{number}-{count}"
            ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"ImageId": "ami-1"})
            ec2.delete_launch_template(LaunchTemplateName=name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def served_elsewhere(place: Place, store: Path) -> str:
    place.bridge.site.settings = place.bridge.site.settings.model_copy(update={"store": str(store)})
    url, _ = place.another_bridge()
    return url


@pytest.mark.since("4.19")
def test_a_restored_backup_leaves_terraform_nothing_to_do(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    place = make_place({"store": str(tmp_path / "store"), "region": AWS_REGION})
    kept = (Path(__file__).parent / "kept.tf").read_text(encoding="utf-8")
    terraform = Terraform(tmp_path / "terraform", place, kept)
    run = CliRunner().invoke
    with load(place):
        terraform.run(place.url, "apply", [EMPTY], "-auto-approve")
        saved = run(main, ["store", "backup", str(tmp_path / "backup"), "--store", str(tmp_path / "store")])
        assert saved.exit_code == 0, saved.output
    restored = run(
        main, ["store", "restore", str(tmp_path / "backup"), "--store", str(tmp_path / "elsewhere")]
    )
    assert restored.exit_code == 0, restored.output

    terraform.plan(served_elsewhere(place, tmp_path / "elsewhere"), EMPTY)
    # What would be seen if something were not in the backup.
    lost = terraform.plan(served_elsewhere(place, tmp_path / "fresh"), CHANGES)
    for resource in ("aws_internet_gateway.out", "aws_route_table.public", "aws_launch_template.web"):
        assert f"{resource} will be created" in lost
