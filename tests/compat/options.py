"""The options that name a live endpoint; without `--endpoint` the compatibility suite starts one of its own."""

OPTIONS = {
    "endpoint": ("AWS_ENDPOINT_URL", "the bridge's URL"),
    "access-key": ("AWS_ACCESS_KEY_ID", "a CloudStack API key"),
    "secret-key": ("AWS_SECRET_ACCESS_KEY", "its secret key"),
    "region": ("AWS_DEFAULT_REGION", "the bridge's region"),
    "image": ("EC2BRIDGE_COMPAT_IMAGE", "an image id to launch"),
    "zone": ("EC2BRIDGE_COMPAT_ZONE", "the availability zone to launch in"),
    "cloudstack-url": ("EC2BRIDGE_COMPAT_CLOUDSTACK", "CloudStack's own API, for its own clients"),
    "vpc-zone": ("EC2BRIDGE_COMPAT_VPC_ZONE", "a zone with VPCs, when the zone to launch in has none"),
    "instance-type": ("EC2BRIDGE_COMPAT_TYPE", "the instance type to launch"),
}
"""Option → the environment variable that stands for it beside `--endpoint`, and what it is."""
