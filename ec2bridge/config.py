"""The settings of one bridge: a TOML file, `EC2BRIDGE_*` environment variables and flags, in rising order.

Everything is checked here, once, before a socket is opened; what is wrong is said in a sentence that names the
setting and where it came from, so that an operator never has to read a traceback.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "EC2BRIDGE_"
Network = IPv4Network | IPv6Network

# The command line's, the demo's and the tests' own; and what Kubernetes tells pods of a Service called ec2bridge.
_OTHERS = re.compile(
    r"config|admin_(api|secret)_key|(demo|test|compat)_.*|(.*_)?(service_host|service_port(_.*)?|port(_\d+_(tcp|udp)(_(proto|port|addr))?)?)"
)
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PATHS = ("credentials_file", "tls_certificate", "tls_key", "mappings", "cloudstack_ca")


class SettingsError(Exception):
    """The bridge cannot start with these settings; the text is for the operator."""


class Settings(BaseSettings):
    """One frozen object with every setting. Field descriptions are the documentation of the settings."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", allow_inf_nan=False)
    _file: ClassVar[Mapping[str, Any]] = {}

    cloudstack_url: str = Field(description="CloudStack's API, such as https://cloud.example/client/api")
    region: str = Field(
        "us-east-1",
        description="the name of the one region that this bridge is; Terraform and others accept only names of AWS's",
    )
    regions: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict,
        description="the operator's other bridges: region name = URL; they are listed, and get what is signed for them",
    )
    listen: str = Field("127.0.0.1:8788", description="HOST:PORT to serve on")
    public_endpoint: str | None = Field(
        None,
        description="the URL that clients reach this bridge by; without it, the Host header of each request",
    )
    service_api_key: str | None = Field(None, description="API key of the account that looks up users' keys")
    service_secret_key: SecretStr | None = Field(None, description="its secret key")
    credentials_file: Path | None = Field(
        None, description="profiles with keys, instead of the look-up account"
    )
    mappings: Path | None = Field(None, description="a directory whose tables replace the packaged ones")
    store: str = Field(
        "ec2bridge.sqlite", description="a file, a SQLAlchemy URL (postgresql+asyncpg://…), or 'memory'"
    )
    tls_certificate: Path | None = Field(None, description="PEM certificate chain")
    tls_key: Path | None = Field(None, description="PEM private key")
    zones: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict, description="availability zone name = CloudStack zone name or uuid"
    )
    default_vpc_cidr: str = Field("10.0.0.0/8", description="the CIDR that the default VPC reports")
    default_networks: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict,
        description="CloudStack zone name or uuid = uuid of its default subnet's network",
    )
    network_offering: str | None = Field(
        None,
        description="offering of the isolated network that is a zone's default subnet where there is none",
    )
    require_region: bool = Field(False, description="refuse signatures made for another region")
    lenient: bool = Field(
        False, description="accept (log and count) parameters that an action does not honour"
    )
    iam_instance_profiles: str = Field(
        "refuse",
        description="refuse IAM instance profiles, or ignore: keep and tell them; no machine gets credentials",
    )
    expunge: bool = Field(True, description="TerminateInstances expunges as the look-up account if it must")
    enforce_groups_in_vpcs: bool = Field(
        True, description="put the rules of machines' security groups onto the tiers of VPCs, as ACL lists"
    )
    job_timeout: float = Field(
        300, gt=0, description="seconds to wait for a CloudStack job that EC2 answers after"
    )
    call_timeout: float = Field(60, gt=0, description="seconds to wait for one CloudStack call")
    recovery_interval: float = Field(
        180, gt=0, description="seconds between two looks for what a bridge that died has left unfinished"
    )
    workers: int = Field(
        1, ge=1, le=64, description="processes that serve; more than one need a store that they can share"
    )
    max_connections: int = Field(
        2000, ge=1, description="connections of one process; idle ones make room for more"
    )
    max_body: int = Field(2 * 1024 * 1024, gt=0, description="largest request in bytes")
    metrics_listen: str | None = Field(None, description="HOST:PORT for Prometheus metrics; off by default")
    browser_page: bool = Field(
        True, description="show a browser at / how to use this endpoint, and what it serves"
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_format: str = Field("text", description="text, or json: one object a line")
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="addresses or networks of proxies whose X-Forwarded-For names the client, for the log"
    )
    throttle: float = Field(
        0, ge=0, description="limit each key's requests to this multiple of AWS's token buckets; 0 does not"
    )
    idle_timeout: float = Field(
        75, gt=0, description="seconds in which a connection must have sent the next request's headers"
    )
    stop_delay: float = Field(
        0,
        ge=0,
        description="seconds to go on serving after SIGTERM, with /health at 503 for the proxy to see",
    )
    cloudstack_ca: Path | None = Field(
        None, description="PEM certificates of the CA behind CloudStack's, besides the system's"
    )
    traces: str | None = Field(
        None, description="an OTLP/HTTP collector's URL for OpenTelemetry traces; needs ec2bridge[otel]"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags first, then the environment, then the file (which `load` hands in below them)."""
        return init_settings, env_settings, _FileSource(settings_cls)

    @field_validator("zones", "default_networks", "regions", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        """Accept `a=x,b=y` from the environment where the file has a table."""
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        if any(not middle for _, middle, _ in pairs):
            raise ValueError("write it as NAME=VALUE,NAME=VALUE")
        return {name.strip(): target.strip() for name, _, target in pairs}

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        """Accept `a,b` from the environment where the file has a list, and a host's address with its network's bits."""
        named = value.split(",") if isinstance(value, str) else value
        try:
            return tuple(ip_network(str(name).strip(), strict=False) for name in named if str(name).strip())
        except ValueError as error:
            raise ValueError(f"{error}; write addresses or networks, such as 10.0.0.0/8") from None

    @field_validator("regions")
    @classmethod
    def _are_endpoints(cls, value: dict[str, str]) -> dict[str, str]:
        for name, url in value.items():
            parts = urlsplit(url)
            if not name or parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(
                    f"{name} = {url!r}: write a region's name and its endpoint's whole URL, such as"
                    " https://ec2.west.example"
                )
        return {name: url.rstrip("/") for name, url in value.items()}

    @field_validator("region")
    @classmethod
    def _is_region(cls, value: str) -> str:
        if not _REGION.fullmatch(value):
            raise ValueError(f"{value!r} is no region's name, such as us-east-1")
        return value

    @field_validator("default_vpc_cidr")
    @classmethod
    def _is_range(cls, value: str) -> str:
        try:
            return str(IPv4Network(value))
        except ValueError as error:
            raise ValueError(f"{error}; write a network such as 10.0.0.0/8") from None

    @field_validator("traces")
    @classmethod
    def _is_collector(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("write the collector's whole URL, such as http://collector:4318")
        return value

    @field_validator("iam_instance_profiles")
    @classmethod
    def _is_word_on_profiles(cls, value: str) -> str:
        if value.lower() not in ("refuse", "ignore"):
            raise ValueError("choose refuse or ignore")
        return value.lower()

    @field_validator("log_format")
    @classmethod
    def _is_format(cls, value: str) -> str:
        if value.lower() not in ("text", "json"):
            raise ValueError("choose text or json")
        return value.lower()

    @field_validator(*_PATHS)
    @classmethod
    def _at_home(cls, value: Path | None) -> Path | None:
        """Take ~ for the home directory; no shell does that in a file or after `--flag=`."""
        return None if value is None else _expanded(value)

    @field_validator("store")
    @classmethod
    def _store_at_home(cls, value: str) -> str:
        return str(_expanded(Path(value))) if value.startswith("~") else value

    @field_validator("cloudstack_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("write the whole URL, such as https://cloud.example/client/api")
        return value.rstrip("/")

    @field_validator("listen", "metrics_listen")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            host_and_port(value)
        return value

    @field_validator("log_level")
    @classmethod
    def _is_level(cls, value: str) -> str:
        if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("choose DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @model_validator(mode="after")
    def _has_a_provider(self) -> Self:
        if (self.service_api_key is None) != (self.service_secret_key is None):
            raise ValueError("service_api_key and service_secret_key go together: one of them is missing")
        if self.service_api_key is None and self.credentials_file is None:
            raise ValueError(
                "set service_api_key and service_secret_key (a key that may look up users' keys),"
                " or credentials_file (profiles with keys)"
            )
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: one of them is missing")
        if self.workers > 1 and self.store == "memory":
            raise ValueError("several workers need a store that they can share: a file, or PostgreSQL")
        for name in _PATHS:
            path = getattr(self, name)
            if path is not None and not path.exists():
                raise ValueError(f"{name}: {path} does not exist")
        return self


class _FileSource(PydanticBaseSettingsSource):
    """The values of the TOML file that `load` has read."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return Settings._file.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(Settings._file)


def load(path: Path | None = None, **flags: Any) -> Settings:
    """Read the file, then the environment, then the flags that are not None; raise SettingsError with a sentence."""
    Settings._file = _read(path) if path else {}
    _no_unknown_variables()
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(problem) for problem in error.errors())) from None
    finally:
        Settings._file = {}


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"the home directory of {path} is not known") from None


def _no_unknown_variables() -> None:
    """Refuse `EC2BRIDGE_*` variables that are no setting, as the file's unknown keys are refused."""
    for variable in sorted(os.environ):
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name not in Settings.model_fields and not _OTHERS.fullmatch(name):
            near = difflib.get_close_matches(name, Settings.model_fields, 1)
            meant = f"; perhaps {PREFIX}{near[0].upper()} is meant" if near else ""
            raise SettingsError(f"The environment has {variable}, and there is no such setting{meant}.")


def store_location(path: Path | None) -> str:
    """Return the setting `store` alone, for what needs neither a cloud nor keys."""
    file = _read(path) if path else {}
    default = str(Settings.model_fields["store"].default)
    found = os.environ.get(f"{PREFIX}STORE") or str(file.get("store", default))
    return str(Path(found).expanduser()) if found.startswith("~") else found


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1} is {error.object[error.start]:#04x}"
        raise SettingsError(
            f"The settings file {path} is not UTF-8 text ({place}): save it as UTF-8 without a byte order mark."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings file {path} is not TOML: {error}.") from None


def _sentence(problem: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    reason = str(problem["msg"]).removeprefix("Value error, ")
    if not name:
        return f"Settings: {reason}."
    if problem["type"] == "missing":
        ways = f"{PREFIX}{name.upper()}, --{name.replace('_', '-')}, or {name} in the file"
        return f"The setting {name} is missing: set {ways}."
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        return f"There is no setting called {name}{f'; perhaps {near[0]} is meant' if near else ''}."
    if problem["type"] in ("float_parsing", "int_parsing"):
        reason = f"{problem['input']!r} is no number"
    return f"The setting {name} is wrong: {reason}."


def table() -> str:
    """Return the settings as the Markdown table of their page."""
    lines = ["| setting | environment | default | what it is |", "| --- | --- | --- | --- |"]
    for name, info in Settings.model_fields.items():
        default = info.get_default(call_default_factory=True, validated_data={})
        shown = "" if info.is_required() or default in (None, {}, ()) else f"`{str(default).lower()}`"
        if isinstance(default, str):
            shown = f"`{default}`"
        shown = "required" if info.is_required() else shown
        lines.append(f"| `{name}` | `{PREFIX}{name.upper()}` | {shown} | {info.description} |")
    return "\n".join(lines)


def described(name: str) -> str:
    """Return a setting's help: what it is, its environment variable and its default."""
    info = Settings.model_fields[name]
    default = info.get_default(call_default_factory=True, validated_data={})
    shown = (
        "required"
        if info.is_required()
        else f"default: {str(default).lower() if isinstance(default, bool) else default}"
    )
    if not info.is_required() and default in (None, {}, ()):
        shown = "no default"
    return f"{info.description} [{PREFIX}{name.upper()}; {shown}]"


def host_and_port(address: str) -> tuple[str, int]:
    """Split "HOST:PORT" ("[::1]:8788" too); raise ValueError with a sentence."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"'{address}' is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)
