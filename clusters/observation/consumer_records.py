"""How the profile's consumers are asked for an answer, and what they answered."""

from __future__ import annotations

from dataclasses import dataclass

from clusters.observation.field_types import Address, Moment, NoAddress, PortNumber


@dataclass(frozen=True, kw_only=True)
class ConsumerProbe:
    """One request to a consumer, and what its answer has to be. Fields are those of a profile's `probe`.

    `ca` is the path of a file. `by_default` is one that no profile names: it goes by the port's name and number, and
    only asks whether what answers speaks that protocol, and whether its certificate has expired.
    """

    protocol: str
    port: PortNumber
    host: str = ""
    method: str = "GET"
    path: str = "/"
    status: tuple[int, ...] = ()
    body: str = ""
    ca: str = ""
    send: str = ""
    expect: str = ""
    proxy_protocol: bool = False
    by_default: bool = False


@dataclass(frozen=True, kw_only=True)
class ServerCertificate:
    """The certificate that a server showed. `untrusted` says why the vantage does not trust it, "" where it does."""

    names: tuple[str, ...]
    issuer: str
    expires: Moment
    untrusted: str = ""


@dataclass(frozen=True, kw_only=True)
class ConsumerAnswer:
    """What came of one request to one address of a consumer ("namespace/name"), sent from the vantage.

    `error` is empty where something answered, else a word or two, and `stage` how far it came. `status` is HTTP's, or
    the code of DNS. `holds` says whether the answer held the text that was expected, None where none was.
    """

    service: str
    address: Address | NoAddress
    probe: ConsumerProbe
    error: str = ""
    stage: str = ""
    status: int = 0
    location: str = ""
    holds: bool | None = None
    certificate: ServerCertificate | None = None
