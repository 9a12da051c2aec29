"""The clients of the laboratory, one entry each."""

from tests.compat.lab import EVERYDAY, SYSTEM_PYTHON, Client, first_line, python_package, script, story, venv

CLIENTS: tuple[Client, ...] = (
    Client(
        "boto3",
        "Python",
        python_package(venv("boto3"), "boto3"),
        script(venv("boto3"), "boto3_story.py"),
        covers=(*EVERYDAY, "caller-identity", "dry-run", "paging"),
        install="python3 -m venv .compat/boto3 && .compat/boto3/bin/pip install boto3",
    ),
    Client(
        "awscli-1",
        "Python",
        python_package(venv("awscli-1"), "awscli"),
        lambda: [SYSTEM_PYTHON, story("awscli_story.py"), _beside(venv("awscli-1"), "aws")],
        install="python3 -m venv .compat/awscli-1 && .compat/awscli-1/bin/pip install 'awscli<2'",
    ),
    Client(
        "awscli-2",
        "Python",
        lambda: first_line("/usr/bin/aws", "--version", pattern=r"aws-cli/(2\S+)"),
        lambda: [SYSTEM_PYTHON, story("awscli_story.py"), "/usr/bin/aws"],
        install="apt-get install awscli",
    ),
    Client(
        "boto",
        "Python",
        python_package(SYSTEM_PYTHON, "boto"),
        script(SYSTEM_PYTHON, "boto2_story.py"),
        install="apt-get install python3-boto",
    ),
    Client(
        "libcloud",
        "Python",
        python_package(venv("libcloud"), "apache-libcloud"),
        script(venv("libcloud"), "libcloud_story.py"),
        install="python3 -m venv .compat/libcloud && .compat/libcloud/bin/pip install apache-libcloud",
    ),
)


def _beside(interpreter: str, program: str) -> str:
    return interpreter.rpartition("/")[0] + "/" + program
