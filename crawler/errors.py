"""Errors of a crawl as a whole; failures of single pictures are rows (see `fetch/failures.py`)."""

from collections.abc import Sequence
from pathlib import Path

from catalog import SafelightError, command_name


class CrawlError(SafelightError):
    """A crawl cannot start or continue."""


class ContactMissingError(CrawlError):
    """A crawl over HTTP has no contact for its User-Agent."""

    def __init__(self) -> None:
        super().__init__(
            "crawling over HTTP needs a contact for the User-Agent; set one, for example: "
            "export SAFELIGHT_CONTACT=you@example.org"
        )


class KeyMissingError(CrawlError):
    """The source needs an API key, and none is set."""

    def __init__(self, variable: str) -> None:
        super().__init__(
            f"this source needs an API key; set it in the environment: export {variable}=..."
        )


class SessionRunningError(CrawlError):
    """Another process is crawling into the same workspace."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"another crawl is running in {home}; wait for it (SAFELIGHT_CRAWL_TURN_S says how long), "
            "stop it with Ctrl-C, or use another --home"
        )


class StopTimeoutError(CrawlError):
    """A session still runs although it was requested to stop."""

    def __init__(self, home: Path, seconds: float) -> None:
        super().__init__(
            f"the crawl in {home} has been asked to stop and still runs after {seconds:g} s; "
            f"look again with: {command_name()} crawl status"
        )


class CrawlNotFoundError(CrawlError):
    """No crawl has this id, or the workspace has none yet."""

    def __init__(self, crawl_id: str, existing: list[str]) -> None:
        if existing:
            super().__init__(
                f"crawl {crawl_id} does not exist; newest: {', '.join(existing[:3])}. "
                f"List them with: {command_name()} crawl status"
            )
        else:
            super().__init__(
                f"the workspace has no crawl yet; start one with: {command_name()} crawl run SOURCE"
            )


class NothingToResumeError(CrawlError):
    """Every crawl of the workspace has ended."""

    def __init__(self) -> None:
        super().__init__(
            f"no crawl to go on with; start one with: {command_name()} crawl run SOURCE, "
            f"or see {command_name()} crawl status"
        )


class FolderNotFoundError(CrawlError):
    """The folder to import does not exist or is not a folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not a folder that can be read")


class InputMissingError(CrawlError):
    """A file to import does not exist or cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not a file that can be read")


class InputRefusedError(CrawlError):
    """A file to import does not have the format of its source."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} cannot be imported: {why}")


class PatternRefusedError(CrawlError):
    """A pattern for file names cannot be used."""

    def __init__(self, pattern: str, why: str) -> None:
        super().__init__(f"the pattern {pattern!r} cannot be used: {why}")


class SourceRefusedError(CrawlError):
    """The source refuses the listing (a refused key, an unknown topic ...)."""


class PredicateError(CrawlError):
    """A condition on dead letters is not an SQL predicate, or does more than read them."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(
            f"--where {where!r} does not work: {problem}. Columns: photo_id, url, host, state, attempts, "
            "error_class, error, error_detail, http_status, failed_at"
        )


class BlockRefusedError(CrawlError):
    """A value to block is not of its kind, or would block too much."""

    def __init__(self, kind: str, value: str, why: str) -> None:
        super().__init__(f"cannot block {kind} {value!r}: {why}")


class NotBlockedError(CrawlError):
    """A value to unblock is not blocked."""

    def __init__(self, kind: str, value: str, blocked: Sequence[str]) -> None:
        more = f" and {len(blocked) - 3} more" if len(blocked) > 3 else ""
        values = f"{', '.join(blocked[:3])}{more}" if blocked else "nothing"
        super().__init__(
            f"{kind} {value!r} is not blocked; of this kind there is: {values}. "
            f'See: {command_name()} catalog sql "SELECT * FROM tombstones"'
        )


class NotRunningError(CrawlError):
    """No session runs that could be stopped."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"no crawl is running in {home}")


class WorkersKeepDyingError(CrawlError):
    """Worker processes die repeatedly."""

    def __init__(self, log: str) -> None:
        super().__init__(f"workers keep dying; see {log}, then: {command_name()} crawl resume")


class FrontierLostError(CrawlError):
    """The actor that serves the frontier to a cluster has ended."""

    def __init__(self, why: str, log: str) -> None:
        super().__init__(
            f"the actor that serves the frontier ended: {why}; its log is below {log}. Nothing is lost; go on with: "
            f"{command_name()} crawl resume"
        )


class WorkerNotRecoveredError(CrawlError):
    """A worker died, and its segments cannot be committed, so its items cannot be settled."""

    def __init__(self, worker: str) -> None:
        super().__init__(f"what {worker} had fetched when it died cannot be committed")


class NothingToCompareError(CrawlError):
    """No snapshot exists that the catalog could be compared with."""

    def __init__(self, since: int | None) -> None:
        problem = (
            "no crawl has ended here yet" if since is None else f"snapshot {since} does not exist"
        )
        super().__init__(f"{problem}; list snapshots with: {command_name()} catalog snapshots")
