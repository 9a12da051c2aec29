"""The clients of the compatibility suite, one entry each."""

import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.version import Version

from tests.compat.lab import (
    BUILD,
    EVERYDAY,
    SYSTEM_PYTHON,
    THIS_PYTHON,
    Client,
    cargo,
    first_line,
    go,
    jar,
    java,
    java_main,
    maven,
    node_package,
    npm,
    pip,
    python_package,
    script,
    story,
    venv,
)
from tests.compat.older import NATIVE, OLDER

JENKINS = (
    "regions",
    "connection-test",
    "images",
    "security-group",
    "launch",
    "describe",
    "console",
    "tags",
    "stop-start",
    "terminate",
)
"""The call sequence of Jenkins' EC2 plug-in."""

PIP = (THIS_PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")

COMPAT = "make compat ARGS='--install --only {}'"


def _go(name: str, module: str, package: str) -> Client:
    program = str(BUILD / name / "story")
    return Client(
        name,
        "Go",
        lambda: first_line(program, "--version"),
        lambda: [program],
        covers=("caller-identity", *EVERYDAY),
        install=COMPAT.format(name) + f" ({module}, with go)",
        prepare=go(name, package),
        timeout=300,
        page="go.md",
    )


def _java(name: str, sources: str, library: str, covers: tuple[str, ...], page: str, **others: Any) -> Client:
    return Client(
        name,
        "Java",
        jar(name, library),
        lambda: java_main(name),
        covers=covers,
        install=COMPAT.format(name) + " (with a JDK and Maven)",
        prepare=java(name, sources),
        page=page,
        path=str(Path(sys.executable).parent),  # jclouds' page serves a bridge of its own, with TLS
        **others,
    )


def _labelled(client: Client, label: str) -> Client:
    """Return a client whose version is shown with what it is the version of."""
    version = client.version

    def told() -> str | None:
        found = version()
        return label.format(found) if found else None

    return replace(client, version=told)


OPENTOFU = "github.com/opentofu/opentofu"
TOFU = str(BUILD / "opentofu" / "bin" / "tofu")


def _opentofu(name: str, variable: str, provider: str, *more: str) -> Client:
    binary = os.environ.get(variable, "")
    client = Client(
        name,
        f"HCL, provider {provider}",
        lambda: first_line(TOFU, "version") if binary else None,
        lambda: [SYSTEM_PYTHON, story("terraform_story.py"), TOFU, *more],
        covers=(
            *("apply", "no-change", "refresh", "change", "destroy"),
            *("vpc-apply", "vpc-no-change", "vpc-destroy"),
            *(f"{name}-{step}" for name in more for step in ("apply", "no-change", "destroy")),
            *(("import", "vpc-import", "newer-import") if more else ()),
        ),
        install="GOBIN=$PWD/.compat/opentofu/bin go install github.com/opentofu/opentofu/cmd/tofu@v1.6.3;"
        f" {variable}=…/terraform-provider-aws names the provider's binary, version {provider}",
        prepare=(
            ("env", f"GOBIN={BUILD / 'opentofu' / 'bin'}", "go", "install", f"{OPENTOFU}/cmd/tofu@v1.6.3"),
        ),
        environment={"TF_PROVIDER_AWS": binary},
        page="opentofu.md",
        path=str(Path(TOFU).parent),
        group="tools",
    )
    return _labelled(client, f"{{}}, provider {provider}")


MIRRORS = (os.environ.get("TF_PLUGINS", ""), "/opt/tf-plugins", "/usr/local/share/terraform/plugins")
"""Where providers may lie unpacked, as `terraform providers mirror` leaves them."""


def _provider() -> tuple[str, str] | None:
    """Return the newest provider hashicorp/aws that lies in a mirror: the mirror and the version."""
    found = [
        (Version(place.parent.parent.name), mirror)
        for mirror in filter(None, MIRRORS)
        for place in Path(mirror).glob(
            "registry.terraform.io/hashicorp/aws/*/linux_amd64/terraform-provider-aws_*"
        )
    ]
    return (max(found)[1], str(max(found)[0])) if found else None


def _terraform() -> Client:
    provider = _provider()
    mirror, version = provider or ("", "")
    kinds = ("", "vpc-", "newer-")
    return Client(
        "terraform",
        "HCL",
        lambda: _terraforms_version(version) if provider else None,
        lambda: [SYSTEM_PYTHON, story("terraform_story.py"), "terraform", "newer"],
        covers=(
            *("apply", "no-change", "import", "refresh", "change", "destroy"),
            *(f"{kind}{step}" for kind in kinds[1:] for step in ("apply", "no-change", "import", "destroy")),
        ),
        install="terraform on the PATH, and the provider in a folder that TF_PLUGINS names, by"
        " `terraform providers mirror`",
        environment={"TF_PLUGINS": mirror, "TF_PROVIDER_VERSION": version},
        page="terraform.md",
        timeout=900,
        group="tools",
    )


def _terraforms_version(provider: str) -> str | None:
    said = first_line("terraform", "version")
    return f"{said}, provider {provider}" if said else None


def _python_tool(name: str, program: str, covers: tuple[str, ...], *packages: str) -> Client:
    """A tool that is a package of Python's, with a program of its own."""
    package = packages[0].partition("==")[0]
    return Client(
        name,
        "Python",
        python_package(venv(name), package),
        lambda: [venv(name), story(f"{name.replace('-', '_')}_story.py"), _beside(venv(name), program)],
        covers=covers,
        install=COMPAT.format(name),
        prepare=pip(name, *packages[1:], packages[0]),
        timeout=600,
        page="tools.md",
        path=str(Path(venv(name)).parent),
        group="tools",
    )


GO_DISCOVER = "github.com/hashicorp/go-discover"
DISCOVER = str(BUILD / "go-discover" / "bin" / "discover")
DISCOVER_VERSION = "v1.1.1-0.20250922102917-55e5010ad859"

EBS_CSI = os.environ.get("EBS_CSI_DRIVER", "aws-ebs-csi-driver")
RUST = str(BUILD / "aws-sdk-rust" / "target" / "debug" / "story")

CLIENTS: tuple[Client, ...] = (
    Client(
        "boto3",
        "Python",
        python_package(venv("boto3"), "boto3"),
        script(venv("boto3"), "boto3_story.py"),
        covers=(*EVERYDAY, "caller-identity", "dry-run", "paging"),
        install="python3 -m venv .compat/boto3 && .compat/boto3/bin/pip install boto3",
        prepare=pip("boto3", "boto3==1.44.5"),
        page="boto3.md",
    ),
    Client(
        "awscli-1",
        "Python",
        python_package(venv("awscli-1"), "awscli"),
        lambda: [SYSTEM_PYTHON, story("awscli_story.py"), _beside(venv("awscli-1"), "aws")],
        install="python3 -m venv .compat/awscli-1 && .compat/awscli-1/bin/pip install 'awscli<2'",
        prepare=pip("awscli-1", "awscli==1.46.3"),
        page="awscli.md",
        path=str(Path(venv("awscli-1")).parent),
    ),
    Client(
        "awscli-2",
        "Python",
        lambda: first_line("/usr/bin/aws", "--version", pattern=r"aws-cli/(2\S+)"),
        lambda: [SYSTEM_PYTHON, story("awscli_story.py"), "/usr/bin/aws"],
        install="apt-get install awscli",
        page="awscli.md",
        path="/usr/bin",
    ),
    Client(
        "boto",
        "Python",
        python_package(SYSTEM_PYTHON, "boto"),
        script(SYSTEM_PYTHON, "boto2_story.py"),
        install="apt-get install python3-boto",
        page="boto.md",
    ),
    Client(
        "libcloud",
        "Python",
        python_package(venv("libcloud"), "apache-libcloud"),
        script(venv("libcloud"), "libcloud_story.py"),
        install="python3 -m venv .compat/libcloud && .compat/libcloud/bin/pip install apache-libcloud",
        prepare=pip("libcloud", "apache-libcloud==3.9.1"),
        page="libcloud.md",
    ),
    _go("aws-sdk-go-v2", "github.com/aws/aws-sdk-go-v2/service/ec2", "./v2"),
    _go("aws-sdk-go-v1", "github.com/aws/aws-sdk-go", "./v1"),
    Client(
        "aws-sdk-js-v3",
        "JavaScript",
        node_package("aws-sdk-js-v3", "@aws-sdk/client-ec2"),
        lambda: ["node", story("javascript/story.mjs"), str(BUILD / "aws-sdk-js-v3")],
        covers=("caller-identity", *EVERYDAY),
        install=COMPAT.format("aws-sdk-js-v3") + " (with Node.js and npm)",
        prepare=npm("aws-sdk-js-v3", "javascript"),
        page="javascript.md",
    ),
    Client(
        "aws-sdk-js-v2",
        "JavaScript",
        node_package("aws-sdk-js-v2", "aws-sdk"),
        lambda: ["node", story("javascript/v2/story.mjs"), str(BUILD / "aws-sdk-js-v2")],
        covers=("caller-identity", *EVERYDAY, "paging", "volume", "snapshot"),
        install=COMPAT.format("aws-sdk-js-v2") + " (with Node.js and npm)",
        prepare=npm("aws-sdk-js-v2", "javascript/v2"),
        page="javascript.md",
    ),
    _java("aws-sdk-java-v2", "v2", "ec2-*.jar", ("caller-identity", *EVERYDAY), "java.md"),
    _java("aws-sdk-java-v1", "v1", "aws-java-sdk-ec2-*.jar", ("caller-identity", *EVERYDAY), "java.md"),
    _java("jclouds", "jclouds", "aws-ec2-*.jar", EVERYDAY, "jclouds.md"),
    _labelled(
        _java("jenkins-ec2", "jenkins-ec2", "ec2-*.jar", JENKINS, "jenkins-ec2.md", group="tools"),
        "stand-in, with the SDK {}",
    ),
    _labelled(
        Client(
            "jenkinsfile",
            "Groovy",
            jar("jenkinsfile", "groovy-*.jar", compiled=False),
            lambda: [THIS_PYTHON, story("jenkinsfile_story.py"), str(BUILD / "jenkinsfile" / "lib" / "*")],
            covers=("embedded", "endpoint", "red", "unknown-step"),
            install=COMPAT.format("jenkinsfile") + " (with a JRE and Maven)",
            prepare=(maven("jenkinsfile", "groovy"),),
            page="jenkins-ec2.md",
            group="tools",
        ),
        "stand-in, Groovy {}",
    ),
    Client(
        "aws-sdk-rust",
        "Rust",
        lambda: first_line(RUST, "--version"),
        lambda: [RUST],
        covers=("caller-identity", *EVERYDAY),
        install=COMPAT.format("aws-sdk-rust") + " (with rustup's cargo, and patience)",
        prepare=cargo("aws-sdk-rust", "rust"),
        environment={"CARGO_TARGET_DIR": str(BUILD / "aws-sdk-rust" / "target")},
        page="rust.md",
    ),
    Client(
        "fog-aws",
        "Ruby",
        lambda: first_line("ruby", "-e", 'require "fog/aws"; puts Fog::AWS::VERSION'),
        lambda: ["ruby", story("ruby/story.rb")],
        install="apt-get install ruby-fog-aws",
        page="fog-aws.md",
    ),
    Client(
        "cs",
        "Python (CloudStack's API)",
        python_package(venv("cs"), "cs"),
        script(venv("cs"), "cs_story.py"),
        covers=NATIVE,
        install="python3 -m venv .compat/cs && .compat/cs/bin/pip install cs",
        prepare=pip("cs", "cs==5.2.0"),
        page="cloudstack.md",
        group="cloudstack",
    ),
    Client(
        "libcloud-cloudstack",
        "Python (CloudStack's API)",
        python_package(venv("libcloud"), "apache-libcloud"),
        script(venv("libcloud"), "libcloud_cloudstack_story.py"),
        covers=NATIVE,
        install="python3 -m venv .compat/libcloud && .compat/libcloud/bin/pip install apache-libcloud",
        page="cloudstack.md",
        group="cloudstack",
    ),
    _python_tool(
        "custodian",
        "custodian",
        ("launch", "filters", "others", "tags", "stop", "terminate"),
        "c7n==0.9.53",
    ),
    _python_tool(
        "awslimitchecker",
        "awslimitchecker",
        ("launch", "instances", "volumes", "vpcs", "limits"),
        "awslimitchecker==12.0.0",
    ),
    _python_tool(
        "flintrock",
        "flintrock",
        ("key-pair", "launch", "describe", "tags", "stop", "destroy"),
        "Flintrock==2.1.0",
    ),
    _python_tool(
        "cloudbridge",
        "python",
        (
            *("regions", "types", "key-pair", "network", "router", "security-group", "launch", "describe"),
            *("tags", "address", "volume", "snapshot", "stop-start", "image", "errors", "terminate"),
        ),
        "cloudbridge==4.4.2",
        "boto3==1.44.8",
    ),
    replace(
        _python_tool(
            "salt-cloud",
            "salt-cloud",
            (
                *("regions", "types", "images", "key-pair", "launch", "describe", "tags", "volume"),
                *("stop-start", "errors", "terminate"),
            ),
            "salt==3007.8",  # 3008 has no driver for EC2
            # It names nothing that it needs.
            *("boto3", "cryptography", "distro", "jinja2", "looseversion", "msgpack", "packaging", "psutil"),
            *("PyYAML", "pyzmq", "requests", "tornado"),
        ),
        # Its page serves a bridge of its own, with TLS.
        path=f"{Path(venv('salt-cloud')).parent}{os.pathsep}{Path(sys.executable).parent}",
    ),
    Client(
        "go-discover",
        "Go",
        lambda: first_line("go", "version", "-m", DISCOVER, pattern=r"mod\s+\S+\s+v(\S+?)-0"),
        lambda: [venv("go-discover"), story("go_discover_story.py"), DISCOVER],
        covers=("launch", "discover", "filters", "errors", "terminate"),
        install=COMPAT.format("go-discover") + " (with go)",
        prepare=(
            *pip("go-discover", "boto3"),
            (
                "env",
                f"GOBIN={Path(DISCOVER).parent}",
                "go",
                "install",
                f"{GO_DISCOVER}/cmd/discover@{DISCOVER_VERSION}",
            ),
        ),
        timeout=600,
        page="tools.md",
        path=str(Path(DISCOVER).parent),
        group="tools",
    ),
    _terraform(),
    _opentofu("opentofu", "TF_PROVIDER_AWS", "3.50"),
    _opentofu("opentofu-provider-5", "TF_PROVIDER_AWS_5", "5.32", "newer"),
    Client(
        "ansible",
        "YAML",
        lambda: _ansible(),
        lambda: [SYSTEM_PYTHON, story("ansible_story.py"), str(BUILD / "ansible")],
        covers=(
            *("key-pair", "security-group", "launch", "volume", "address", "image"),
            *("no-change", "inventory", "terminate", "network"),
        ),
        install="apt-get install ansible python3-boto3; pip install --target .compat/ansible boto3",
        prepare=((*PIP, "--upgrade", "--target", str(BUILD / "ansible"), "boto3>=1.28,<2"),),
        page="ansible.md",
        group="tools",
    ),
    Client(
        "packer",
        "JSON",
        lambda: _with("/usr/sbin/sshd", "aws") and first_line("packer", "version"),
        script(THIS_PYTHON, "packer_story.py"),
        covers=("key-pair", "validate", "image", "tags", "terminate"),
        install="apt-get install packer openssh-server awscli",
        page="packer.md",
        group="tools",
    ),
    Client(
        "prometheus",
        "YAML",
        lambda: _with("aws", "curl") and first_line("prometheus", "--version"),
        script(THIS_PYTHON, "prometheus_story.py"),
        covers=("launch", "describe", "labels", "terminate"),
        install="apt-get install prometheus awscli curl",
        page="prometheus.md",
        group="tools",
    ),
    Client(
        "ebs-csi",
        "Go (Kubernetes)",
        lambda: (
            python_package(venv("ebs-csi"), "grpcio-tools")()
            and first_line(EBS_CSI, "--version", pattern=r'"driverVersion": "v?([^"]+)"')
        ),
        lambda: [venv("ebs-csi"), story("ebs_csi_story.py"), EBS_CSI],
        covers=("launch", "volume", "attach", "snapshot", "resize", "detach", "destroy"),
        install=COMPAT.format("ebs-csi")
        + " with EBS_CSI_DRIVER=…/aws-ebs-csi-driver, which names the driver's binary"
        " (it is built from its source, kubernetes-sigs/aws-ebs-csi-driver; no registry has it)",
        prepare=pip("ebs-csi", "grpcio-tools", "boto3"),
        page="ebs-csi.md",
        path=os.path.dirname(EBS_CSI),
        group="tools",
    ),
    *OLDER,
)


def _with(*programs: str) -> str | None:
    """Something true where these programs are there, which a client's page or story needs beside the client."""
    return None if None in map(shutil.which, programs) else "there"


def _ansible() -> str | None:
    """The versions of Ansible and amazon.aws, where both are there and the boto3 that the inventory needs, too."""
    core = first_line("ansible", "--version", pattern=r"core (\S+)\]")
    there = core and (BUILD / "ansible/boto3").is_dir()
    return f"core {core}, amazon.aws {_collection('amazon.aws')}" if there else None


def _collection(name: str) -> str | None:
    """The version of an Ansible collection, as ansible-galaxy lists it."""
    return first_line("ansible-galaxy", "collection", "list", name, pattern=rf"{re.escape(name)}\s+(\d\S*)")


def _beside(interpreter: str, program: str) -> str:
    return interpreter.rpartition("/")[0] + "/" + program
