"""A plain boto3 client, for programs whose subject is another one but which need a machine first."""

import boto3
from story import ENDPOINT, IMAGE, TYPE, ZONE, later

aws = boto3.client("ec2", endpoint_url=ENDPOINT)  # boto3 before 1.28 does not read the variable


def launched(count, **tags):
    """Launch machines, which are terminated at the end; return their ids."""
    named = [{"Key": key, "Value": value} for key, value in tags.items()]
    answer = aws.run_instances(
        ImageId=IMAGE,
        InstanceType=TYPE,
        MinCount=count,
        MaxCount=count,
        Placement={"AvailabilityZone": ZONE},
        TagSpecifications=[{"ResourceType": "instance", "Tags": named}] if named else [],
    )
    ids = [one["InstanceId"] for one in answer["Instances"]]
    later(aws.terminate_instances, InstanceIds=ids)
    return ids


def machines(**asked):
    """Return the machines that a DescribeInstances tells of."""
    found = aws.describe_instances(**asked)["Reservations"]
    return [one for reservation in found for one in reservation["Instances"]]


def states(**asked):
    """Return the states that they are in."""
    return {one["State"]["Name"] for one in machines(**asked)}
