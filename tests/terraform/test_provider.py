"""docs/terraform.md: the provider's block is all that it takes."""

from collections.abc import Callable
from pathlib import Path

from tests.conftest import Place
from tests.test_store_terraform import AWS_REGION, EMPTY, Terraform, pytestmark
from tests.walk.blocks import marked

__all__ = ["pytestmark"]
ASKS = """
variable "endpoint" { type = string }
data "aws_availability_zones" "all" {}
data "aws_caller_identity" "me" {}
output "zones" { value = join(" ", data.aws_availability_zones.all.names) }
output "account" { value = data.aws_caller_identity.me.account_id }
"""


def test_the_pages_block_reaches_the_bridge(make_place: Callable[..., Place], tmp_path: Path) -> None:
    [block] = marked("docs/terraform.md", "tests/terraform/test_provider.py")
    mine = block.replace('"https://ec2.cloud.example"', "var.endpoint")
    assert mine.count("var.endpoint") == 2
    place = make_place({"region": AWS_REGION})
    told = Terraform(tmp_path / "terraform", place, mine + ASKS).run(
        place.url, "apply", [EMPTY], "-auto-approve"
    )
    assert f'zones = "{AWS_REGION}a' in told
    assert f'account = "{place.client(service="sts").get_caller_identity()["Account"]}"' in told
