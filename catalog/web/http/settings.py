"""Settings of `safelight serve`: section [serve] of safelight.toml, or SAFELIGHT_SERVE_*."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServeSettings:
    """Where to listen, and what one query may use.

    Tokens are not settings. They come from SAFELIGHT_SERVE_TOKEN or from `token_file`, so that they are
    never in safelight.toml.
    """

    host: str = "127.0.0.1"
    port: int = 8360
    allowed_hosts: str = ""
    """Names, separated by spaces, under which browsers may reach the server beside its own address."""
    token_file: str = ""
    """File of lines `name token`, mode 600: one token for each person or program."""
    body_timeout_s: float = 10.0
    """Time within which the body of a request must arrive."""
    timeout_s: float = 30.0
    """Deadline of a query that does not set `timeout_s`."""
    max_timeout_s: float = 300.0
    max_rows: int = 100_000
    max_result_mb: int = 32
    memory_mb: int = 1024
    """Memory of one query."""
    threads: int = 2
    max_running: int = 2
    max_waiting: int = 20
    """Queries that may wait in the queue; further ones get status 429."""
    results_mb: int = 1024
    """Disk for the results of past queries; the oldest are deleted first."""
    result_age_s: float = 3600.0
    thumbnails_mb: int = 512
    """Disk for thumbnails; the oldest are deleted first."""
    upload_mb: int = 25
    """Size of a picture that is uploaded to be predicted."""
    upload_timeout_s: float = 60.0
    """Time within which an uploaded picture must arrive."""
    max_predictions: int = 2
    """Predictions at work at once; further ones get status 503."""
    prediction_timeout_s: float = 30.0
    """Deadline of a prediction."""
