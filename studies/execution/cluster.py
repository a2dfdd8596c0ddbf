"""A running Ray cluster: how this process joins it, and how our code gets to its nodes.

Nodes on which the same code is installed use it. If one has other code or none, the four packages
travel from here to all of them, once. Which code a node has is decided by a hash of its files.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from search_spaces import InvalidSettingError
from studies.execution.executors import ClusterLostError
from studies.provenance import PACKAGES, code_hash
from studies.reachable import check_reachable, why_silent

_log = logging.getLogger(__name__)

_PATIENCE = 30.0
"""Seconds for which a cluster may be out of reach before it counts as lost."""
_LIBRARIES = ("numpy", "numba", "torch")


class Cluster:
    """A running cluster that this process has joined.

    Parameters
    ----------
    address
        ``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``.
    ship_code
        Send our code along even if every node has it, for nodes that join later.

    Raises
    ------
    InvalidSettingError
        If the cluster cannot be reached, or a node cannot run our code.
    """

    def __init__(self, ray: Any, address: str, ship_code: bool = False) -> None:
        self.ships_code = ship_code
        self._ray = ray
        self._address = address
        self._unreachable_since: float | None = None
        self._checked = 0.0
        self._join()

    def rejoin(self) -> None:
        """Leave the cluster and join it again; tasks in flight are dropped.

        Raises
        ------
        InvalidSettingError
            If the cluster cannot be reached, or a node cannot run our code.
        """
        self._ray.shutdown()
        self._join()

    def _join(self) -> None:
        """Join, and make sure that every node has our code; send it if one has not."""
        check_reachable(self._address)
        self._connect()
        found = self._look_at_nodes()
        foreign = sorted(
            {f"{n['host']} has {n['has']}" for n in found if n["code"] != code_hash()}
        )
        if not foreign:
            _warn_of_other_versions(found)
        elif self.ships_code:
            self._ray.shutdown()
            raise InvalidSettingError(
                f"a node of the Ray cluster cannot run this code: {foreign[0]}; install "
                "sgd-thermometer's dependencies there (pip install -c constraints.txt .)"
            )
        else:
            _log.warning("%s; sending the code of this driver to all nodes", ", ".join(foreign))
            self.ships_code = True
            self.rejoin()

    def is_cut_off(self) -> bool:
        """Whether the node to which this process is attached has died, others being alive.

        Raises
        ------
        ClusterLostError
            If the cluster itself has been out of reach for half a minute.
        """
        now = time.monotonic()
        if self._home is None or now - self._checked < 2:
            return False
        self._checked = now
        if not self.answers():
            self._unreachable_since = self._unreachable_since or now
            if now - self._unreachable_since > _PATIENCE:
                raise ClusterLostError(f"the Ray cluster at {self._address} does not answer")
            return False
        self._unreachable_since = None
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        return self._home not in alive and bool(alive)

    def answers(self) -> bool:
        """Whether the head of the cluster can be reached; Ray's own calls would wait for it."""
        return self._home is None or not why_silent(*self._head, seconds=2)

    def _connect(self) -> None:
        offer_token()
        # Ray would end this process a minute after the head of the cluster; see is_cut_off.
        os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "600")
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            with quiet_ray(), _packed() if self.ships_code else contextlib.nullcontext() as env:
                if env is not None:
                    options["runtime_env"] = env
                self._ray.init(address=self._address, **options)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InvalidSettingError(
                f"no Ray cluster answers at {self._address}: {reason}"
            ) from None
        self._home, self._head = None, ("", 0)
        if not self._address.startswith("ray://"):
            context = self._ray.get_runtime_context()
            host, _, port = context.gcs_address.rpartition(":")
            self._home, self._head = context.get_node_id(), (host.strip("[]"), int(port))

    def _look_at_nodes(self) -> list[dict[str, Any]]:
        """Return host, hash of the code and versions of every node that can run tasks."""
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        looks = {
            self._ray.remote(_look_function())
            .options(num_cpus=0, scheduling_strategy=strategy(node["NodeID"], soft=False))
            .remote(): node["NodeManagerHostname"]
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
        }
        ready, _ = self._ray.wait(list(looks), num_returns=len(looks), timeout=120)
        found = []
        for look in ready:
            try:
                found.append({**self._ray.get(look), "host": looks[look]})
            except self._ray.exceptions.RayError as error:
                # A node that leaves just now needs no code; its packs go to others.
                _log.debug("node %s did not answer: %s", looks[look], error)
        return found


def _look_function() -> Callable[[], dict[str, Any]]:
    """Return a function that travels by value, since a node may not have our modules."""

    def look() -> dict[str, Any]:
        from importlib import metadata

        try:
            from studies import provenance
            from trainers.data import dataset_of  # noqa: F401

            versions = {name: metadata.version(name) for name in ("numpy", "numba", "torch")}
            code, has = provenance.code_hash(), f"other code ({provenance.code_hash()})"
        except ModuleNotFoundError as error:
            return {"code": None, "has": f"no module {error.name}", "versions": {}}
        except Exception as error:
            return {"code": None, "has": f"unusable code ({error})", "versions": {}}
        return {"code": code, "has": has, "versions": versions}

    return look


def _warn_of_other_versions(found: list[dict[str, Any]]) -> None:
    ours = {name: metadata.version(name) for name in _LIBRARIES}
    for node in found:
        for name, version in node["versions"].items():
            if version != ours[name]:
                _log.warning(
                    "%s has %s %s, this driver %s; rows may differ in their last digits",
                    *(node["host"], name, version, ours[name]),
                )


@contextlib.contextmanager
def _packed() -> Iterator[dict[str, Any]]:
    """Copy our packages, with their version, to a folder from which Ray sends them."""
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory(prefix="thermometer-") as name:
        folder = Path(name)
        for package in PACKAGES:
            shutil.copytree(
                root / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        version = metadata.version("sgd-thermometer")
        label = folder / f"sgd_thermometer-{version}.dist-info"
        label.mkdir()
        text = f"Metadata-Version: 2.1\nName: sgd-thermometer\nVersion: {version}\n"
        (label / "METADATA").write_text(text, encoding="utf-8")
        # One folder for all: as modules of their own they would come apart.
        yield {"working_dir": name}


def places(resources: Mapping[str, float], gpus: float) -> int:
    """Return how many tasks of one core and `gpus` GPUs a node can run at once.

    >>> places({"CPU": 16, "GPU": 2}, gpus=0.25)
    8
    """
    cores = int(resources.get("CPU", 0))
    return min(cores, int(resources.get("GPU", 0) / gpus + 1e-9)) if gpus else cores


def offer_token() -> None:
    """Let Ray present its token to a cluster, if this user has one.

    `ray start` asks for a token by default since Ray 2.60, but a driver that joins presents it
    only if the mode is set before Ray is imported. Clusters without tokens ignore it.
    """
    has_token = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ)
    if has_token or (Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@contextlib.contextmanager
def quiet_ray() -> Iterator[None]:
    """Silence Ray's own log for a while, and keep what this process does upon SIGTERM."""
    logger = logging.getLogger("ray")
    level, upon_term = logger.level, signal.getsignal(signal.SIGTERM)
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        with contextlib.suppress(ValueError, TypeError):  # outside the main thread
            signal.signal(signal.SIGTERM, upon_term)
