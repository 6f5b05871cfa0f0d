"""Settings of the crawler: the [crawl] part of safelight.toml, or SAFELIGHT_CRAWL_<NAME>."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class CrawlSettings:
    """The limits of a crawl. The defaults are polite.

    On loopback addresses `rate` and `per_host` do not apply unless `limit_loopback` is set.
    """

    concurrency: int = 32  # pictures in work at once, over all hosts
    per_host: int = 4  # requests at once to one host
    rate: float = 5.0  # requests a second to one host
    api_concurrency: int = 4  # API calls at once
    api_delay_s: float = 0.1  # pause between two API calls
    limit_loopback: bool = False
    inflight_bytes: int = 96 * MIB  # all bodies in transfer; beyond it only the oldest one grows
    max_bytes: int = 128 * MIB  # a longer body is refused
    max_pixels: int = 80_000_000  # a larger picture is stored but never decoded
    deadline_s: float = (
        180.0  # for one picture with all its redirects, without waits for our rate limits
    )
    grace_s: float = (
        10.0  # silence longer than this, or less than min_bytes_per_s after it, ends it
    )
    min_bytes_per_s: float = 4096.0
    max_redirects: int = 5
    max_attempts: int = 4
    backoff_s: float = 2.0  # doubled with every attempt
    max_backoff_s: float = 600.0
    quota_wait_s: float = 600.0  # wait so long after an API quota was used up
    unit_images: int = 256  # pictures in one commit; also the most that a kill can cost
    unit_bytes: int = 64 * MIB
    unit_s: float = 10.0
    publish_s: float = 60.0  # pause between two commits to the catalog while a session runs
    commit_retry_s: float = 900.0  # to retry failed commits; then the session ends with code 4
    drain_s: float = 20.0  # for pictures in work when the session stops
    turn_s: float = (
        86_400.0  # to wait for the end of another crawl of the workspace; 0 refuses at once
    )
    allow_private: bool = False  # whether private and loopback addresses may be fetched
    allow_networks: str = ""  # private networks that may be, such as "127.0.0.0/8, ::1/128"
