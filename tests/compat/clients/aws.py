"""A plain boto3 client, for programs whose subject is another one but which need a machine first."""

import boto3
from story import ENDPOINT

aws = boto3.client("ec2", endpoint_url=ENDPOINT)  # boto3 before 1.28 does not read the variable
