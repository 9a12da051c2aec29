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

PARAMETER = """
variable "endpoint" { type = string }
variable "zone" { type = string }
data "aws_ssm_parameter" "debian" { name = "/aws/service/debian/release/12/latest/amd64" }
data "aws_ssm_parameters_by_path" "own" { path = "/ec2bridge/image" }
resource "aws_instance" "one" {
  ami               = data.aws_ssm_parameter.debian.insecure_value
  instance_type     = "t2.micro"
  availability_zone = var.zone
}
resource "aws_launch_template" "two" {
  name     = "two"
  image_id = "resolve:ssm:/ec2bridge/image/Rocky-Linux-9"
}
output "image" { value = aws_instance.one.ami }
output "own" { value = join(" ", data.aws_ssm_parameters_by_path.own.names) }
"""


def block() -> str:
    [found] = marked("docs/terraform.md", "tests/terraform/test_provider.py")
    mine = found.replace('"https://ec2.cloud.example"', "var.endpoint")
    assert mine.count("var.endpoint") == 3
    return mine


def test_the_pages_block_reaches_the_bridge(make_place: Callable[..., Place], tmp_path: Path) -> None:
    place = make_place({"region": AWS_REGION})
    told = Terraform(tmp_path / "terraform", place, block() + ASKS).run(
        place.url, "apply", [EMPTY], "-auto-approve"
    )
    assert f'zones = "{AWS_REGION}a' in told
    assert f'account = "{place.client(service="sts").get_caller_identity()["Account"]}"' in told


def test_an_image_is_found_by_its_parameter(make_place: Callable[..., Place], tmp_path: Path) -> None:
    place = make_place({"region": AWS_REGION})
    named = [{"Name": "name", "Values": ["Debian GNU/Linux 12"]}]
    [debian] = place.client().describe_images(Filters=named)["Images"]
    terraform = Terraform(tmp_path / "terraform", place, block() + PARAMETER)
    told = terraform.run(place.url, "apply", [EMPTY], "-auto-approve")
    assert f'image = "{debian["ImageId"]}"' in told
    assert "/ec2bridge/image/Debian-GNU-Linux-12 " in told
    terraform.plan(place.url, EMPTY)
    terraform.run(place.url, "destroy", [EMPTY], "-auto-approve")
