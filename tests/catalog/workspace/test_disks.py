"""A SQLite catalog is not opened where locks cannot be trusted."""

import subprocess
from pathlib import Path

import pytest

from catalog import NetworkDiskError, Workspace, open_catalog
from catalog.lake.choose_store import CatalogSettings, open_store
from catalog.workspace.disks import (
    file_system,
    is_network,
    kind_at,
    parse_mount,
    parse_mountinfo,
    require_local_disk,
)

# Lines as kernels print them: a plain server, a NAS, a container, a virtual machine, WSL 2.
MOUNTINFO = r"""
22 27 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
27 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
95 27 0:45 / /home rw,relatime shared:50 - nfs4 nas:/export/home rw,vers=4.2,rsize=1048576,hard,proto=tcp
96 95 259:5 / /home/me/fast rw,relatime - xfs /dev/nvme1n1 rw,attr2,inode64
101 27 0:51 / /mnt/My\040Pictures rw,relatime shared:60 - cifs //nas/photos rw,vers=3.1.1,uid=1000
102 27 0:52 / /mnt/far rw,nosuid,nodev,relatime - fuse.sshfs me@host:/data rw,user_id=1000,group_id=1000
103 27 0:53 / /mnt/ntfs rw,relatime - fuseblk /dev/sdb1 rw,user_id=0,group_id=0
104 27 0:54 / /mnt/c rw,noatime - 9p C:\134 rw,aname=drvfs;path=C:\,trans=fd
105 27 0:55 / /srv rw,relatime master:7 propagate_from:2 - overlay overlay rw,lowerdir=/a:/b
106 27 0:56 / /data rw,relatime - ext4 /dev/sdc rw
107 106 0:57 / /data rw,relatime - nfs nas:/data rw,vers=3
108 27 0:58 / /database rw,relatime - ext4 /dev/sdd rw
not a mount line
"""


@pytest.mark.parametrize(
    ("folder", "kind", "network"),
    [
        ("/var/lib/safelight", "ext4", False),
        ("/home/me/workspace/lake", "nfs4", True),
        ("/home/me/fast/lake", "xfs", False),
        ("/mnt/My Pictures/lake", "cifs", True),
        ("/mnt/far/lake", "fuse.sshfs", True),
        ("/mnt/ntfs/lake", "fuseblk", False),
        ("/mnt/c/Users/me", "9p", True),
        ("/srv/lake", "overlay", False),
        ("/data/lake", "nfs", True),
        ("/database/lake", "ext4", False),
    ],
)
def test_the_innermost_and_latest_mount_says_what_a_folder_lies_on(
    folder: str, kind: str, network: bool
) -> None:
    found = kind_at(Path(folder), list(parse_mountinfo(MOUNTINFO)))
    assert found == kind
    assert is_network(found) is network


def test_macos_says_it_in_another_way() -> None:
    mounts = list(
        parse_mount(
            "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n"
            "//me@nas._smb._tcp.local/photos on /Volumes/my photos (smbfs, nodev, nosuid, mounted by me)\n"
            "map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)\n"
        )
    )
    assert kind_at(Path("/Users/me"), mounts) == "apfs"
    assert is_network(kind_at(Path("/Volumes/my photos/home"), mounts))


def test_this_machine_says_the_same_as_coreutils(tmp_path: Path) -> None:
    names = {"ext2/ext3": "ext4", "overlayfs": "overlay"}
    said = subprocess.run(
        ["stat", "--file-system", "--format=%T", tmp_path],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    found = file_system(tmp_path)
    assert found.replace("ext2", "ext4").replace("ext3", "ext4") == names.get(said, said)
    require_local_disk(tmp_path)


@pytest.fixture
def on_nfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace of which the kernel says that it lies on NFS."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"{MOUNTINFO}200 27 0:99 / {tmp_path} rw - nfs4 nas:/x rw\n")
    monkeypatch.setattr("catalog.workspace.disks.MOUNTINFO", mounts)
    return Workspace.at(tmp_path / "home")


def test_a_catalog_on_a_network_disk_is_refused_with_what_to_do(on_nfs: Workspace) -> None:
    with pytest.raises(NetworkDiskError, match=r"\(nfs4\).*PostgreSQL.*allow_network_disk"):
        open_catalog(on_nfs)
    assert list(on_nfs.lake.iterdir()) == []


def test_people_who_know_may_allow_it(on_nfs: Workspace) -> None:
    open_store(on_nfs, CatalogSettings(allow_network_disk=True))
    (on_nfs.home / "safelight.toml").write_text("[catalog]\nallow_network_disk = true\n")
    open_store(on_nfs)


def test_where_nobody_says_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.workspace.disks.MOUNTINFO", tmp_path / "none")
    monkeypatch.setattr("catalog.workspace.disks._MOUNT", str(tmp_path / "none"))
    assert file_system(tmp_path) == ""
    require_local_disk(tmp_path)
