"""What to write so that a client uses this endpoint: settings to copy, with the endpoint already in them."""

from dataclasses import dataclass
from string import Template

_KEYS = "your CloudStack API key", "your CloudStack secret key"


@dataclass(frozen=True, slots=True)
class Snippet:
    """One client's settings: what to copy, and where it goes."""

    client: str
    where: str
    text: str


_CLIENTS = (
    (
        "awscli",
        "in your shell; awscli before 1.29 and 2.13 needs --endpoint-url in each command",
        """\
export AWS_ENDPOINT_URL_EC2=$endpoint
export AWS_ENDPOINT_URL_STS=$endpoint
export AWS_ENDPOINT_URL_SSM=$endpoint
export AWS_DEFAULT_REGION=$region
export AWS_ACCESS_KEY_ID='$key'
export AWS_SECRET_ACCESS_KEY='$secret'
aws ec2 describe-instances""",
    ),
    (
        "boto3",
        "in your program",
        """\
import boto3

ec2 = boto3.client(
    "ec2",
    endpoint_url="$endpoint",
    region_name="$region",
    aws_access_key_id="$key",
    aws_secret_access_key="$secret",
)
print(ec2.describe_instances()["Reservations"])""",
    ),
    (
        "Terraform",
        "beside your resources; keys from the environment, as for awscli",
        """\
provider "aws" {
  region                  = "$region"
  skip_metadata_api_check = true
  endpoints {
    ec2 = "$endpoint"
    sts = "$endpoint"
    ssm = "$endpoint"
  }
}""",
    ),
    (
        "Packer",
        "in the source of your template; keys from the environment, as for awscli",
        """\
source "amazon-ebs" "image" {
  region              = "$region"
  custom_endpoint_ec2 = "$endpoint"
  # source_ami, instance_type, ssh_username, ami_name: yours
}""",
    ),
    (
        "Ansible",
        "in a play, in each task of amazon.aws; keys from the environment, as for awscli",
        """\
- amazon.aws.ec2_instance_info:
    region: $region
    endpoint_url: $endpoint""",
    ),
    (
        "Prometheus",
        "in prometheus.yml",
        """\
scrape_configs:
  - job_name: instances
    ec2_sd_configs:
      - region: $region
        endpoint: $endpoint
        access_key: $key
        secret_key: $secret""",
    ),
    (
        "Jenkins",
        "the EC2 plug-in's cloud, as Configuration as Code; in the interface it is Alternate EC2 Endpoint",
        """\
jenkins:
  clouds:
    - amazonEC2:
        name: cloudstack
        altEC2Endpoint: $endpoint
        region: $region
        credentialsId: the-id-of-your-keys""",
    ),
)


def snippets(endpoint: str, region: str) -> list[Snippet]:
    """Return the settings of each client for an endpoint."""
    key, secret = _KEYS
    values = {"endpoint": endpoint.rstrip("/"), "region": region, "key": key, "secret": secret}
    return [Snippet(client, where, Template(text).substitute(values)) for client, where, text in _CLIENTS]
