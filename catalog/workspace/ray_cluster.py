"""Join a Ray cluster: what its address leads to, and what may stand in the way, said in one line."""

import logging
import socket
from collections.abc import Mapping
from typing import Any

from catalog.errors import ClusterError
from catalog.workspace.import_paths import check_ray_folder

_CONNECT_S = 5.0


def join_ray(address: str, environment: Mapping[str, str] | None = None) -> Any:
    """Join the cluster at `address` (as `ray.init` takes it: local, auto, HOST:PORT); give what `ray.init` gives.

    Its processes get `environment` added to theirs. Raises `ClusterError`, and `UsageError` where the current folder
    would hide our packages from them.
    """
    check_ray_folder()
    import ray

    _check_port(address)
    given = {"env_vars": dict(environment)} if environment else None
    try:
        return ray.init(
            address,
            ignore_reinit_error=True,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env=given,
        )
    except Exception as error:  # a node that does not start in time raises just that
        raise ClusterError(address, str(error)) from error


def _check_port(address: str) -> None:
    """Raise `ClusterError` when nothing listens at HOST:PORT: Ray itself would go on trying for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(address, str(error)) from error
