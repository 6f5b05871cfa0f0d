"""The errors of Safelight, drawn as a tree.

SafelightError                  what a person can act on: the command prints one line and exits 1
UsageError                    a setting or an argument is wrong
ShippedQuestionError          a question that comes with Safelight stays as it is
WorkspaceError                a folder cannot be a workspace
  NoWorkspaceError              it is not one, and nothing was made there
MissingPartError              an optional part is not installed; names the pip command
ClusterError                  a Ray cluster cannot be joined, or not used
CatalogError
BusyError                   another process holds the writer lock for too long
CommitError                 the segments that wait in the spool could not be committed
SegmentError                rows do not fit the contract of their table
QueryError                  the SQL is not one reading statement, or DuckDB refused it
SnapshotNotFoundError
TableNotFoundError
QuestionNotFoundError
DecisionError               a person's decision does not fit what is there
ReviewError                 there is no such queue, or nothing of this name in it
OtherFilesError             the catalog names table files that this home does not see
NewerWorkspaceError         the tables were made by a later version of Safelight
AssetNotFoundError
LayoutError                 a Parquet file is not byte-addressable as it should be
ReleaseNotFoundError
ReleaseError                a release cannot be published, pulled or exported as asked
  RevokedError              it must not be used any more
  SignatureError            its signature is missing or wrong
  LockedError               it is not what safelight.lock says
BackupError                 a backup cannot be made, or is not what it was
NetworkDiskError            SQLite on a disk that is shared over a network
StorageError                a bucket cannot be reached, or refuses
NoSuchCrawlError            no crawl with this id has ended a session
SandboxError                the sandbox does not work on this machine
NoSuchModelError            no model that predicts pictures has this id
ModelsNotComparableError    two models were trained on other data, or have nothing in common
PictureRefusedError         an uploaded file is not predicted: no picture, damaged, too large
TooManyPredictionsError     one prediction more than may be at work
TooManySearchesError        one search by picture more than may be at work
NoVectorError               a picture, or the whole catalog, has no vector to compare
TooManyWaitError            one statement more than may wait
"""

import difflib
from collections.abc import Sequence
from pathlib import Path

from catalog.plurals import counted
from catalog.program_name import command_name


class SafelightError(Exception):
    """Something a person can act on; the message says what, what exists and what to do next.

    `exit_code` is the one that the command ends with.
    """

    exit_code = 1


class UsageError(SafelightError):
    """A setting or an argument is wrong."""


class MissingPartError(SafelightError):
    """An optional part of Safelight is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"this command needs {module}, which is not installed. "
            f"Add it with: pip install 'safelight[{extra}]'"
        )
        self.extra = extra


class ClusterError(SafelightError):
    """A Ray cluster cannot be used."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(
            f"the Ray cluster {address} cannot be used: {' '.join(why.split())[:300]}. Give --cluster the address "
            "HOST:PORT of its head, auto for the one that runs on this machine, or local to start one here"
        )
        self.address = address


class WorkspaceError(SafelightError):
    """A folder cannot be a workspace."""

    def __init__(self, home: Path, why: str) -> None:
        super().__init__(
            f"{home} cannot be a workspace: {why}. Name a folder that can be written with --home or SAFELIGHT_HOME"
        )


class NoWorkspaceError(WorkspaceError):
    """A folder is not a workspace, and the command would have nothing to do in a new one."""

    def __init__(self, home: Path, beside: Sequence[str]) -> None:
        state = "is not a workspace" if home.is_dir() else "does not exist"
        near = difflib.get_close_matches(home.name, beside, n=3, cutoff=0.4)
        there = f"; workspaces beside it: {', '.join(near or beside[:3])}" if beside else ""
        SafelightError.__init__(
            self,
            f"{home} {state}{there}. Name a workspace with --home or SAFELIGHT_HOME; "
            f"{command_name()} crawl run and {command_name()} dataset pull make a new one",
        )


class CatalogError(SafelightError):
    """The catalog cannot do what was asked."""


class BusyError(CatalogError):
    """Another process holds a lock for too long."""

    def __init__(self, what: str, waited_s: float) -> None:
        super().__init__(
            f"{what} is in use by another process (waited {waited_s:.0f} s). "
            "Wait for it to end, or stop it, and try again."
        )


class CommitError(CatalogError):
    """The waiting segments could not be committed; they are still in the spool.

    `reason` is the cause in one line; `is_transient` says whether trying again can help (a lock, a connection, a disk
    that is full or away, a bucket) or not (rows that do not fit, a damaged segment).
    """

    exit_code = 4

    def __init__(self, reason: str, waiting: int, *, is_transient: bool) -> None:
        advice = "" if is_transient else ", when the cause is mended"
        wait = counted(waiting, "segment", "waits")
        super().__init__(
            f"the commit to the catalog failed: {reason.rstrip('.')}. {wait} in the spool, and "
            f"nothing is lost. Commit what waits{advice} with: {command_name()} catalog commit"
        )
        self.reason, self.is_transient = reason, is_transient


class SegmentError(CatalogError):
    """Rows do not fit the contract of their table."""


class QueryError(CatalogError):
    """The SQL is not one reading statement, or DuckDB refused it."""


class SnapshotNotFoundError(CatalogError):
    """No snapshot has this id."""

    def __init__(self, wanted: int, known: Sequence[int]) -> None:
        newest = ", ".join(map(str, known[:3])) or "none yet"
        super().__init__(
            f"snapshot {wanted} does not exist; newest: {newest}. "
            f"List them with: {command_name()} catalog snapshots"
        )
        self.wanted = wanted


class TableNotFoundError(CatalogError):
    """No table or view has this name."""

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        near = difflib.get_close_matches(wanted, known, n=1)
        advice = f"did you mean {near[0]}? " if near else ""
        super().__init__(
            f"there is no table or view {wanted!r}; {advice}List them with: {command_name()} catalog describe"
        )
        self.wanted = wanted


class QuestionNotFoundError(CatalogError):
    """No saved question has this name."""

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no saved question {wanted!r}; known: {', '.join(known)}")
        self.wanted = wanted


class LabelError(CatalogError):
    """A label that a person gives does not fit: an unknown picture, a bad name, nothing to undo or to publish."""


class DecisionError(CatalogError):
    """A person's decision does not fit what is there."""


class RightsError(CatalogError):
    """What is to be recorded about the rights of photos cannot be, or there is no such statement."""


class ReviewError(CatalogError):
    """There is no such queue of the review, or nothing of this name in it."""


class OtherFilesError(CatalogError):
    """The catalog names table files that are not where this home keeps its own."""

    def __init__(self, own: str, held: str, missing: str) -> None:
        held = f"in {held}" if held != own else "in the folder of the same name"
        super().__init__(
            f"this home keeps its table files in {own}, but its catalog names files {held} that are not there, such as "
            f"{missing}. Give every home of this catalog the same disk or bucket (and see that it is mounted): "
            'docs/store.md, "Several homes on one database"'
        )


class NewerWorkspaceError(CatalogError):
    """The tables have columns that this code does not know: a later version of Safelight made them."""

    def __init__(self, made_by: str, this: str, columns: Sequence[str]) -> None:
        more = f" and {len(columns) - 3} more" if len(columns) > 3 else ""
        super().__init__(
            f"this workspace was upgraded by safelight {made_by}, this is safelight {this}, which does not know "
            f"{', '.join(columns[:3])}{more}. Install safelight {made_by}, or restore a backup from before the upgrade"
        )


class AssetNotFoundError(CatalogError):
    """No picture has this SHA-256, or its pack is gone."""


class LayoutError(CatalogError):
    """A Parquet file is not byte-addressable as it should be."""


class ReleaseNotFoundError(CatalogError):
    """No release has this name or version."""

    def __init__(self, wanted: str, known: Sequence[str], source: str = "") -> None:
        """`known` are the releases of the workspace, or those that `source` offers."""
        listed = ", ".join(known[:5])
        if source:
            more = f" and {len(known) - 5} more" if len(known) > 5 else ""
            message = (
                f"{source} does not offer {wanted!r}; it offers: {listed or 'no release'}{more}"
            )
        else:
            message = (
                f"release {wanted!r} does not exist; known: {listed or 'none yet'}. "
                f"List them with: {command_name()} dataset list"
            )
        super().__init__(message)
        self.wanted = wanted


class ReleaseError(CatalogError):
    """A release cannot be published, pulled or exported as asked."""


class RevokedError(ReleaseError):
    """A release must not be used any more."""


class SignatureError(ReleaseError):
    """The signature of a manifest is missing or wrong."""


class LockedError(ReleaseError):
    """A release is not what the lock file says."""


class BackupError(CatalogError):
    """A backup cannot be made or restored, or it is not what it was."""


class StorageError(CatalogError):
    """The storage of packs, tables and releases did not do what was asked."""

    def __init__(self, what: str, where: str, said: str) -> None:
        reason = " ".join(said.split("\n\n", maxsplit=1)[0].split())[:400]
        super().__init__(
            f"cannot {what} {where}: {reason}. Check [storage] in safelight.toml, the network and the AWS_* keys"
        )


class NetworkDiskError(CatalogError):
    """A catalog in a SQLite file lies on a disk that is shared over a network."""

    def __init__(self, folder: str, kind: str) -> None:
        super().__init__(
            f"{folder} lies on a network file system ({kind}), where SQLite loses commits: its locks cannot be trusted "
            "there. Put --home on a local disk (large files may go to a bucket: [storage] url), or keep the tables in "
            'PostgreSQL: [catalog] store = "postgres://...". If you are sure that only one machine ever uses it: '
            "[catalog] allow_network_disk = true"
        )


class NoSuchCrawlError(CatalogError):
    """No crawl with this id has ended a session."""

    def __init__(self, wanted: str) -> None:
        super().__init__(
            f"no crawl {wanted[:64]!r} has ended a session here. List them with: {command_name()} crawl status"
        )
        self.wanted = wanted


class ShippedQuestionError(UsageError):
    """The question comes with Safelight: it is neither changed nor deleted."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the question {name!r} comes with Safelight; choose another name")


class SandboxError(CatalogError):
    """The sandbox does not work; statements cannot be run in it."""


class UnreadableSoundError(CatalogError):
    """A WAV file has no usable samples; `status` is the `decode_status` to record, the message says why."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class NoSuchModelError(CatalogError):
    """No finished model with this id predicts pictures."""


class ModelsNotComparableError(CatalogError):
    """Two models cannot be compared: other data, no common predictions, or a folder that cannot be read."""


class PictureRefusedError(CatalogError):
    """An uploaded file is not predicted; `kind` says why in a word, the message in a line."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind

    @property
    def http_status(self) -> int:
        """The status of the response: 413 for too much, 415 for no picture, 422 for a picture that is not usable."""
        return {"too_large": 413, "not_an_image": 415, "unsupported_media_type": 415}.get(
            self.kind, 422
        )


class TooManyPredictionsError(CatalogError):
    """So many predictions are at work, or uploads arrive, that one more is refused."""

    def __init__(self, at_work: int) -> None:
        super().__init__(f"{counted(at_work, 'prediction')} at work already; try again in a moment")


class TooManySearchesError(CatalogError):
    """So many searches by picture are at work that one more is refused."""

    def __init__(self, at_work: int) -> None:
        super().__init__(f"{counted(at_work, 'search')} at work already; try again in a moment")


class NoVectorError(CatalogError):
    """A picture, or the whole catalog, has no vector that can be compared."""


class TooManyWaitError(CatalogError):
    """So many statements wait already that one more is turned away."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{counted(waiting, 'query', 'waits')} already; try again in a moment")
