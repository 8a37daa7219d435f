"""Prometheus and what it scrapes, on loopback ports that nobody else uses, for one test."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import yaml

from clusters import children, wait
from clusters.budgets import Budget
from clusters.lab.parts import system

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
_UP = Budget(name="test.daemon_up", within=60, every=0.1, reason="a second on an idle machine")
SEEN = Budget(name="test.seen", within=60, every=0.2, reason="scraped and judged every second")
_OPEN = build_opener(ProxyHandler({})).open


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples that an expression gives now. Raises AssertionError for one that is invalid."""
        result: list[dict[str, Any]] = self._asked("query", query=expression)["result"]
        return result

    def value(self, expression: str) -> float | None:
        """The value of the only sample, or None where there is none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def series(self) -> set[str]:
        """The names of everything that is stored."""
        return set(self._asked("label/__name__/values"))

    def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire now, each with its cluster."""
        return {
            (alert["labels"]["alertname"], alert["labels"].get("cluster", ""))
            for alert in self._asked("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def _asked(self, what: str, **query: str) -> Any:
        try:
            with _OPEN(f"{self.url}/api/v1/{what}?{urlencode(query)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except URLError as error:
            told = getattr(error, "read", lambda: b"")()
            raise AssertionError(f"{query}: {error}: {told!r}") from None


@dataclass(frozen=True)
class Monitoring:
    """What is running. `textfiles` is the node exporter's folder, `gateway` the push gateway's URL."""

    prometheus: Prometheus
    textfiles: Path
    gateway: str


@contextmanager
def monitoring(place: Path, *, alertmanager: str) -> Iterator[Monitoring]:
    """Everything started, and ended however the block ends; all files are in `place`.

    `alertmanager` is the HOST:PORT that is told of alerts.
    """
    textfiles = place / "textfiles"
    textfiles.mkdir()
    exporter, gateway, prometheus = ports(3)
    with ExitStack() as stack:
        _start(
            stack,
            place,
            [
                system.fetch("prometheus-node-exporter").path,
                "--collector.disable-defaults",
                "--collector.textfile",
                f"--collector.textfile.directory={textfiles}",
                f"--web.listen-address=127.0.0.1:{exporter}",
            ],
            f"http://127.0.0.1:{exporter}/metrics",
        )
        _start(
            stack,
            place,
            [system.fetch("prometheus-pushgateway").path, f"--web.listen-address=127.0.0.1:{gateway}"],
            f"http://127.0.0.1:{gateway}/-/ready",
        )
        settings = place / "prometheus.yaml"
        settings.write_text(yaml.safe_dump(_settings(exporter, gateway, alertmanager)))
        _start(
            stack,
            place,
            [
                system.fetch("prometheus").path,
                f"--config.file={settings}",
                f"--storage.tsdb.path={place / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{prometheus}",
            ],
            f"http://127.0.0.1:{prometheus}/-/ready",
        )
        yield Monitoring(
            prometheus=Prometheus(f"http://127.0.0.1:{prometheus}"),
            textfiles=textfiles,
            gateway=f"http://127.0.0.1:{gateway}",
        )


def _settings(exporter: int, gateway: int, alertmanager: str) -> dict[str, Any]:
    """As docs/monitoring.md has it, looking every second."""
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]},
            {
                "job_name": "pushgateway",
                "honor_labels": True,
                "static_configs": [{"targets": [f"127.0.0.1:{gateway}"]}],
            },
        ],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
    }


def ports(count: int) -> list[int]:
    """Ports of the loopback that are free now, all different."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in held]


def _start(stack: ExitStack, place: Path, command: Sequence[str | Path], ready: str) -> None:
    """Start a daemon, ended with the stack (or by the kernel with this process), and wait until it answers."""
    log = place / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            children.tied(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    stack.callback(children.stop, process)
    wait.until(
        f"{Path(command[0]).name} answers",
        read=lambda: _answers(ready),
        accept=bool,
        budget=_UP,
        give_up=lambda _: log.read_text()[-2000:] if process.poll() is not None else None,
    )


def _answers(url: str) -> bool:
    try:
        with _OPEN(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
