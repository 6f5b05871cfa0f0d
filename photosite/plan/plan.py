"""The plan: the list of all photos that the demo site serves, with their ground truth.

The same seed and number of photos give the same plan, and the same plan gives the same bytes.
"""

import dataclasses
import datetime as dt
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from photosite.plan.cameras import PHOTOGRAPHERS, Photographer
from photosite.plan.damage import DAMAGE_KINDS, is_detectable
from photosite.plan.shot_parameters import Shot, draw_hour, draw_shot

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
DUPLICATE_SHARE, BURST_SHARE, API_ONLY_SHARE = 0.12, 0.04, 0.03
BROKEN_SHARE, FAULT_SHARE = 0.015, 0.04
DAMAGED_EACH = 0.005  # share of each kind: 3 in 600, at least 1 from 120 photos on

# Edits, and the share of edited files that have lost their EXIF.
EDITS = {"reencode": 0.0, "resize": 0.2, "crop": 0.5, "mirror": 1.0, "tone": 0.2}
BROKEN_KINDS = ("empty", "html", "json", "random_bytes", "short_body")
FAULT_KINDS = ("404", "500_once", "429_once", "503_once", "slow_start", "dropped_once")
BURST_FAMILIES = ("street", "portrait", "table", "cafe", "track", "garden")


@dataclass(frozen=True)
class PlannedPhoto:
    """One photo that the site lists.

    `exif` says where its settings can be read: in the `file`, only in the `api` response, or `none`.
    A photo with a `parent` is an edited copy of it; `edit_seed` determines the edit. `thumbnail_of` is
    another photo whose thumbnail this one contains by damage.
    """

    id: str
    photographer: Photographer
    shot: Shot
    taken: dt.datetime
    exif: str = "file"
    edit: str | None = None
    edit_seed: int = 0
    parent: "PlannedPhoto | None" = None
    burst_of: str | None = None
    damage: str | None = None
    thumbnail_of: Shot | None = None
    broken: str | None = None
    fault: str | None = None

    @property
    def posted(self) -> dt.datetime:
        """The time of the upload: days after the exposure, later for a copy."""
        days = 2 + self.edit_seed % 7 + (9 if self.parent else 0)
        return self.taken + dt.timedelta(days=days, minutes=self.shot.view % 600)

    @property
    def kind(self) -> str:
        """The kind: `original`, `burst` (another shot of a scene) or `duplicate`."""
        return "duplicate" if self.parent else "burst" if self.burst_of else "original"


@dataclass(frozen=True)
class DemoPlan:
    """All photos that the demo site serves, made from a seed.

    >>> DemoPlan(seed=7, photos=20).uploads == DemoPlan(seed=7, photos=20).uploads
    True
    """

    seed: int = 7
    photos: int = 600
    has_faults: bool = True
    uploads: tuple[PlannedPhoto, ...] = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.photos < 1:
            raise ValueError(f"a plan needs at least 1 photo, not {self.photos}")
        object.__setattr__(
            self, "uploads", _Planner(self.seed, self.photos, self.has_faults).plan()
        )

    def truth(self) -> list[dict[str, object]]:
        """Return the ground truth of each photo, in the order of the site's list.

        `f_number`, `iso` and `exposure_time` (seconds) are the settings of the rendering, also where
        the EXIF has other values; `duplicate_group` is the id of the original that the copies share, or null.
        """
        parents = {photo.parent.id for photo in self.uploads if photo.parent}
        return [_truth(photo, parents) for photo in self.uploads]

    def duplicate_groups(self) -> dict[str, list[str]]:
        """Map the id of each original with copies to the ids of the group, the original first."""
        groups: dict[str, list[str]] = {}
        for photo in self.uploads:
            if photo.parent:
                groups.setdefault(photo.parent.id, [photo.parent.id]).append(photo.id)
        return groups


def _truth(photo: PlannedPhoto, parents: set[str]) -> dict[str, object]:
    parent = photo.parent
    return {
        "source_photo_id": photo.id,
        "kind": photo.kind,
        "family": photo.shot.family,
        "f_number": float(photo.shot.f_number),
        "iso": photo.shot.iso,
        "exposure_time": float(photo.shot.exposure_time),
        "camera": photo.shot.camera.name,
        "photographer": photo.photographer.username,
        "exif": photo.exif,
        "damage": photo.damage,
        "duplicate_of": parent.id if parent else None,
        "duplicate_kind": photo.edit,
        "duplicate_group": parent.id if parent else photo.id if photo.id in parents else None,
        "burst_of": photo.burst_of,
        "broken": photo.broken,
        "fault": photo.fault,
    }


class _Planner:
    """Makes a plan step by step; each step changes only photos that no earlier step has changed."""

    def __init__(self, seed: int, photos: int, has_faults: bool) -> None:
        self.rng = random.Random(f"demo plan {seed}")  # noqa: S311  # repeatable, not secret
        self.count = photos
        self.has_faults = has_faults
        self.last_days = {person: self._first_day() for person in PHOTOGRAPHERS}
        self.photos: dict[str, PlannedPhoto] = {}

    def plan(self) -> tuple[PlannedPhoto, ...]:
        copies, shots = round(self.count * DUPLICATE_SHARE), round(self.count * BURST_SHARE)
        self._add_originals(self.count - copies - shots)
        self._add_bursts(shots)
        self._break(round(self.count * BROKEN_SHARE))
        self._damage(self.count)
        self._hide_exif(round(self.count * API_ONLY_SHARE))
        self._add_copies(copies)
        if self.has_faults:
            self._add_faults(round(self.count * FAULT_SHARE))
        return tuple(
            sorted(self.photos.values(), key=lambda photo: (photo.posted, photo.id), reverse=True)
        )

    def _add_originals(self, count: int) -> None:
        for person in _assign_uploads(
            PHOTOGRAPHERS, [person.share for person in PHOTOGRAPHERS], count
        ):
            shot = draw_shot(self.rng, person.camera)
            self._add(PlannedPhoto(self._id(), person, shot, self._next_upload(person, shot.light)))

    def _add_bursts(self, count: int) -> None:
        scenes = [photo for photo in self.photos.values() if photo.shot.family in BURST_FAMILIES]
        for first in self.rng.sample(scenes, min(count, len(scenes))):
            shot = dataclasses.replace(first.shot, view=self.rng.getrandbits(32))
            taken = first.taken + dt.timedelta(seconds=self.rng.randint(1, 3))
            self._add(PlannedPhoto(self._id(), first.photographer, shot, taken, burst_of=first.id))

    def _add_copies(self, count: int) -> None:
        parents: list[PlannedPhoto] = []
        fit = self._unchanged_photos(lambda photo: photo.exif == "file")
        for number in range(count):
            again = parents and self.rng.random() < 0.2
            parent = self.rng.choice(parents) if again else fit.pop(self._random_index(len(fit)))
            parents.append(parent)
            self._add(self._copy(parent, list(EDITS)[number % len(EDITS)]))

    def _copy(self, parent: PlannedPhoto, edit: str) -> PlannedPhoto:
        """Copy a photo; some copies are posted by another photographer with the same camera."""
        others = [
            person
            for person in PHOTOGRAPHERS
            if person.camera == parent.shot.camera and person != parent.photographer
        ]
        is_repost = bool(others) and self.rng.random() < 0.3
        is_stripped = is_repost or self.rng.random() < EDITS[edit]
        return dataclasses.replace(
            parent,
            id=self._id(),
            photographer=self.rng.choice(others) if is_repost else parent.photographer,
            exif="none" if is_stripped else "file",
            edit=edit,
            edit_seed=self.rng.getrandbits(32),
            parent=parent,
        )

    def _break(self, count: int) -> None:
        kinds = (BROKEN_KINDS[number % len(BROKEN_KINDS)] for number in range(count))
        self._change(
            kinds,
            self._unchanged_photos(),
            lambda photo, kind: dataclasses.replace(photo, broken=kind),
        )

    def _damage(self, count: int) -> None:
        each = round(count * DAMAGED_EACH) or (1 if count >= 120 else 0)
        for kind in DAMAGE_KINDS:
            fit = self._unchanged_photos(lambda photo, kind=kind: is_detectable(photo.shot, kind))  # type: ignore[misc]  # mypy has no default arguments in lambdas
            self._change([kind] * each, fit, self._with_damage)

    def _with_damage(self, photo: PlannedPhoto, kind: str) -> PlannedPhoto:
        other = None
        if kind == "wrong_thumbnail":
            far = [
                other for other in self.photos.values() if other.shot.family != photo.shot.family
            ]
            other = self.rng.choice(far).shot
        return dataclasses.replace(photo, damage=kind, thumbnail_of=other)

    def _hide_exif(self, count: int) -> None:
        self._change(
            ["api"] * count,
            self._unchanged_photos(),
            lambda p, where: dataclasses.replace(p, exif=where),
        )

    def _add_faults(self, count: int) -> None:
        """Give some photos a fault; copies and their originals get none, so none of them is lost."""
        related = {photo.parent.id for photo in self.photos.values() if photo.parent}
        fit = self._unchanged_photos(lambda photo: photo.id not in related and not photo.parent)
        kinds = (FAULT_KINDS[number % len(FAULT_KINDS)] for number in range(count))
        self._change(kinds, fit, lambda photo, kind: dataclasses.replace(photo, fault=kind))

    def _unchanged_photos(
        self, predicate: Callable[[PlannedPhoto], bool] = lambda _: True
    ) -> list[PlannedPhoto]:
        """List the photos without damage, fault or burst."""
        scenes = {photo.burst_of for photo in self.photos.values()}
        return [
            photo
            for photo in self.photos.values()
            if not (photo.damage or photo.broken or photo.fault or photo.burst_of)
            and photo.exif == "file"
            and photo.id not in scenes
            and predicate(photo)
        ]

    def _change(
        self,
        kinds: Iterable[str],
        fit: list[PlannedPhoto],
        mark: Callable[[PlannedPhoto, str], PlannedPhoto],
    ) -> None:
        kinds = list(kinds)
        for photo, kind in zip(
            self.rng.sample(fit, min(len(kinds), len(fit))), kinds, strict=False
        ):
            self._add(mark(photo, kind))

    def _add(self, photo: PlannedPhoto) -> None:
        """Add a photo, or replace the photo with its id."""
        self.photos[photo.id] = photo

    def _first_day(self) -> dt.datetime:
        return dt.datetime(2021, 1, 3, tzinfo=dt.UTC) + dt.timedelta(days=self.rng.randrange(500))

    def _next_upload(self, person: Photographer, light: float) -> dt.datetime:
        """Draw the time of a photographer's next picture: a later day, at an hour with this light."""
        day = self.last_days[person] + dt.timedelta(days=self.rng.randint(1, 9))
        self.last_days[person] = day
        return day + dt.timedelta(seconds=round(3600 * draw_hour(light, self.rng)))

    def _id(self) -> str:
        return "".join(self.rng.choices(LETTERS, k=11))

    def _random_index(self, limit: int) -> int:
        return self.rng.randrange(limit)


def _assign_uploads(
    people: Sequence[Photographer], shares: Sequence[float], count: int
) -> list[Photographer]:
    """Assign `count` uploads to people in proportion to their shares (largest remainder first)."""
    assigned = [0] * len(people)
    out = []
    for number in range(1, count + 1):
        index = max(
            range(len(people)), key=lambda i: shares[i] / sum(shares) * number - assigned[i]
        )
        assigned[index] += 1
        out.append(people[index])
    return out
