"""Other services' clients that are sent here: each reads, in its own protocol, whose endpoint this is."""

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import REGION, Place
from tests.launching import code_of

CALLS = [
    ("ssm", "describe_parameters", {}, "UnknownOperationException"),
    ("ecs", "list_clusters", {}, "UnknownOperationException"),
    ("dynamodb", "list_tables", {}, "UnknownOperationException"),
    ("sqs", "list_queues", {}, "UnknownOperationException"),
    ("secretsmanager", "get_secret_value", {"SecretId": "x"}, "UnknownOperationException"),
    ("lambda", "list_functions", {}, "UnknownOperationException"),
    ("eks", "list_clusters", {}, "UnknownOperationException"),
    ("s3", "list_buckets", {}, "NotImplemented"),
    ("s3", "get_object", {"Bucket": "b", "Key": "a/k"}, "NotImplemented"),
    ("s3", "put_object", {"Bucket": "b", "Key": "k", "Body": b"x"}, "NotImplemented"),
    ("iam", "list_users", {}, "InvalidAction"),
    ("elbv2", "describe_load_balancers", {}, "InvalidAction"),
    ("autoscaling", "describe_auto_scaling_groups", {}, "InvalidAction"),
    ("sns", "list_topics", {}, "InvalidAction"),
    # Actions that EC2 has by the same name.
    ("autoscaling", "describe_tags", {}, "InvalidAction"),
    ("rds", "describe_account_attributes", {}, "InvalidAction"),
    ("redshift", "create_tags", {"ResourceName": "r", "Tags": [{"Key": "k"}]}, "InvalidAction"),
    ("elb", "describe_tags", {"LoadBalancerNames": ["b"]}, "InvalidAction"),
    ("route53", "list_hosted_zones", {}, "InvalidAction"),
]


@pytest.fixture
def client(place: Place) -> Any:
    keys = place.sim.accounts["alice"]

    def make(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=place.url,
            region_name=REGION,
            aws_access_key_id=keys.api_key,
            aws_secret_access_key=keys.secret_key,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    return make


@pytest.mark.parametrize(("service", "method", "asked", "code"), CALLS, ids=[f"{c[0]}-{c[1]}" for c in CALLS])
def test_another_services_client_reads_whose_endpoint_this_is(
    client: Any, place: Place, service: str, method: str, asked: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(client(service), method)(**asked)
    assert "AWS_ENDPOINT_URL_EC2" in str(caught.value)
    assert code_of(caught) == code
    assert place.client().describe_regions()["Regions"]


def test_sts_and_ec2_are_served_whatever_service_is_signed(place: Place) -> None:
    ec2 = place.client()
    ec2._request_signer._signing_name = "anything"
    assert ec2.describe_regions()["Regions"]
    assert place.client(service="sts").get_caller_identity()["Account"]


def test_an_unknown_action_of_ec2s_stays_ec2s(place: Place) -> None:
    ec2 = place.client()
    ec2.meta.events.register("before-call.ec2", lambda params, **_: params["body"].update(Action="Dance"))
    with pytest.raises(ClientError) as caught:
        ec2.describe_regions()
    assert code_of(caught) == "InvalidAction"
    assert "Dance" in str(caught.value)
