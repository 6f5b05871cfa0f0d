"""Which kind of file system a folder lies on: SQLite and file locks need a local one.

Linux says it in /proc/self/mountinfo, macOS and the BSDs by the command `mount`. Where neither answers, nothing is
known and nothing is refused.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from catalog.errors import NetworkDiskError

# Names as the kernel gives them; FUSE adds its own behind "fuse.".
_NETWORK = re.compile(
    "9p|afpfs|afs|beegfs|ceph|cifs|coda|davfs|fhgfs|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2|orangefs|panfs"
    "|smb[23]|smbfs|webdav|wekafs"
)
_NETWORK_FUSE = re.compile(
    r"(mac|osx)?fuse\.(beegfs|ceph|ceph-fuse|curlftpfs|davfs2?|gcsfuse|geesefs|glusterfs|goofys|httpfs|juicefs"
    "|lizardfs|mfs|moosefs|mount-s3|mountpoint-s3|rclone|s3fs|seaweedfs|smbnetfs|sshfs|vmhgfs-fuse)"
)
MOUNTINFO = Path("/proc/self/mountinfo")
_MOUNT = "/sbin/mount"
_ESCAPE = re.compile(r"\\([0-7]{3})")
_BSD_LINE = re.compile(r"^.+ on (?P<folder>/.*) \((?P<kind>[^,)]+)[,)]")


def require_local_disk(folder: Path, *, allowed: bool = False) -> None:
    """Raise `NetworkDiskError` when `folder` lies on a network file system, unless that is `allowed`."""
    kind = file_system(folder)
    if not allowed and is_network(kind):
        raise NetworkDiskError(str(folder), kind)


def is_network(kind: str) -> bool:
    """Say whether a file system is shared over a network, where file locks cannot be trusted.

    >>> [is_network(kind) for kind in ("nfs4", "fuse.sshfs", "ext4", "overlay")]
    [True, True, False, False]
    """
    return bool(_NETWORK.fullmatch(kind) or _NETWORK_FUSE.fullmatch(kind))


def file_system(folder: Path) -> str:
    """Name the kind of file system that holds `folder` (ext4, nfs4, fuse.sshfs ...); empty when nobody says."""
    try:
        mounts = list(parse_mountinfo(MOUNTINFO.read_text("utf-8", "surrogateescape")))
    except FileNotFoundError:
        mounts = list(parse_mount(_mount_command()))
    return kind_at(folder.resolve(), mounts)


def kind_at(folder: Path, mounts: list[tuple[Path, str]]) -> str:
    """Pick the innermost mount that holds `folder`; of two at one place the later one hides the earlier."""
    holding = [mount for mount in mounts if folder.is_relative_to(mount[0])]
    if not holding:
        return ""
    depth = max(len(place.parts) for place, _ in holding)
    return [kind for place, kind in holding if len(place.parts) == depth][-1]


def parse_mountinfo(text: str) -> Iterator[tuple[Path, str]]:
    """Read mount point and kind of each line: `36 35 98:0 / /mnt rw master:1 - nfs4 server:/ rw` (proc(5))."""
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if separator and len(fields) > 4:
            place = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4])
            yield Path(place), after.split(" ")[0]


def parse_mount(text: str) -> Iterator[tuple[Path, str]]:
    """Read what `mount` prints on macOS and the BSDs: `//me@nas/photos on /Volumes/photos (smbfs, nodev)`."""
    for line in text.splitlines():
        if match := _BSD_LINE.match(line):
            yield Path(match["folder"]), match["kind"]


def _mount_command() -> str:
    try:
        done = subprocess.run([_MOUNT], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - a fixed command
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
