"""The dataset card of a release: Markdown with the front matter that dataset hubs read."""

from collections.abc import Iterator, Mapping
from typing import Any

from catalog.evidence import KNOWN_SHARE
from catalog.releases.cards.croissant import holds_sounds, shard_columns
from catalog.releases.manifest import given_up

# Licences as sources state them, by the names that dataset hubs know.
_HUB_LICENCES = {
    "cc0": "cc0-1.0",
    "cc0 1.0": "cc0-1.0",
    "cc by 2.0": "cc-by-2.0",
    "cc by 3.0": "cc-by-3.0",
    "cc by 4.0": "cc-by-4.0",
    "cc by-sa 3.0": "cc-by-sa-3.0",
    "cc by-sa 4.0": "cc-by-sa-4.0",
}
_SETTINGS = ("f_number", "iso", "exposure_time")
_BINS = ("low", "medium", "high", "missing")
_FEATURES = {
    "string": "string",
    "double": "float64",
    "bool": "bool",
    "int32": "int32",
    "int64": "int64",
}


def write_card(manifest: Mapping[str, Any], licences: Mapping[str, int]) -> str:
    """Describe a release for people: what it holds, how it was made, what to beware of."""
    name, version = manifest["name"], manifest["version"]
    return "\n".join(
        [
            "---",
            *_front_matter(manifest, licences),
            "---",
            f"# {name} {version}",
            "",
            *_replaced(manifest.get("replaces") or {}),
            f"{manifest['n_items']} {_what(manifest['plan'])}, curated by Safelight "
            f"{manifest['code_version']}. Content digest `{manifest['digest']}`.",
            "",
            "## Splits",
            "",
            f"{_apart(manifest)} The column `random_split` ignores groups; it is there to measure how much a random "
            "split flatters a model.",
            "",
            _table(("split", _files(manifest["plan"])), manifest["splits"].items()),
            "",
            "## Classes",
            "",
            *_classes(manifest["class_counts"]),
            "`weight` is a sampling weight that evens the classes of the training split; validation and test "
            "keep their natural distribution.",
            "",
            "## Licences and training",
            "",
            _table(
                ("licence", _files(manifest["plan"])),
                ((key or "not stated", n) for key, n in licences.items()),
            ),
            "",
            "`attribution.parquet` holds the author line of every picture; `training_allowed` and "
            "`training_basis` say whether and why a model may be trained on it. To have a picture removed, "
            "name its `asset_sha256` to the publisher.",
            "",
            "## Limits",
            "",
            _limits(manifest["plan"]),
            "",
            "## Check it",
            "",
            "`sha256sum -c SHA256SUMS`, or `safelight dataset verify`, which also names a damaged picture.",
            "",
        ]
    )


def without_front_matter(card: str) -> str:
    r"""Return the Markdown of a card without the YAML between `---` lines at its start.

    >>> without_front_matter("---\nlicense: other\n---\n\n# cats\n")
    '# cats\n'
    """
    if not card.startswith("---\n"):
        return card
    _, mark, text = card.removeprefix("---").partition("\n---\n")
    return text.lstrip("\n") if mark else card


def _front_matter(manifest: Mapping[str, Any], licences: Mapping[str, int]) -> Iterator[str]:
    """Write the YAML that `datasets.load_dataset` and dataset hubs read."""
    hub_names = {
        _HUB_LICENCES.get(str(licence).casefold().replace("cc-", "cc ")) for licence in licences
    }
    yield f"pretty_name: {manifest['name']}"
    if len(hub_names) == 1 and None not in hub_names:
        yield f"license: {hub_names.pop()}"
    else:
        yield from ("license: other", "license_name: see-attribution", "license_link: README.md")
    yield f"size_categories: ['{_size(manifest['n_items'])}']"
    kind = "audio" if holds_sounds(manifest["plan"]) else "image"
    yield f"task_categories: [{kind}-classification]"
    yield from ("configs:", "- config_name: default", "  data_files:")
    for split in manifest["splits"]:
        yield f"  - split: {split}\n    path: data/{split}-*.parquet"
    yield from ("dataset_info:", "  features:", f"  - name: image\n    dtype: {kind}")
    for column, kind in shard_columns(manifest).items():
        yield f"  - name: {column}\n    dtype: {_FEATURES[kind]}"
    yield "  splits:"
    for split, n in manifest["splits"].items():
        size = sum(s["bytes"] for s in manifest["shards"] if s["path"].startswith(f"data/{split}-"))
        yield f"  - name: {split}\n    num_bytes: {size}\n    num_examples: {n}"


def _replaced(versions: Mapping[str, str]) -> Iterator[str]:
    for version, reason in versions.items():
        yield f"> Use this version in place of {version}, which was revoked: {' '.join(reason.split())}"
        yield ""


def _size(n: int) -> str:
    for limit, name in ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K")):
        if n < limit:
            return name
    return "100K<n<1M" if n < 10**6 else "n>1M"


def _table(header: tuple[str, ...], lines: Any) -> str:
    head = f"| {' | '.join(header)} |\n|{' --- |' * len(header)}"
    return "\n".join([head, *(f"| {' | '.join(map(str, line))} |" for line in lines)])


def _files(plan: Mapping[str, Any]) -> str:
    return "sounds" if holds_sounds(plan) else "pictures"


def _limits(plan: Mapping[str, Any]) -> str:
    consent = "nobody was asked for consent beyond the licence named above."
    if holds_sounds(plan):
        return f"Labels are those of the source. A voice can identify a person; {consent}"
    return (
        "Settings come from EXIF as the camera or an editor wrote it; curation voids values that contradict "
        f"themselves, not those that are merely wrong. Pictures may show people; {consent}"
    )


def _what(plan: Mapping[str, Any]) -> str:
    if labels := plan.get("labels"):
        return f"{_files(plan)} labelled by {', '.join(labels)}"
    beside = plan.get("label_columns") or ()
    beside_text = f", and the labels {', '.join(beside)}" if beside else ""
    return f"photographs with aperture, ISO and exposure time{beside_text}"


def _apart(manifest: Mapping[str, Any]) -> str:
    """Say which pictures no split parts, and what cannot be said of them."""
    made_of = manifest["plan"].get("grouped_by") or ["duplicates"]
    text = f"No group stands in two splits (`split`); groups are made of: {', '.join(made_of)}."
    shares = manifest.get("known") or {}
    text += _without_keys(shares)
    if lost := [key for key in given_up(manifest["plan"]) if shares.get(key, 1.0) > 0]:
        text += f" Pictures of one {' or '.join(lost)} may stand in several splits: groups by it would be too large."
    return text


def _without_keys(shares: Mapping[str, float]) -> str:
    """Say how many pictures state each key, where that is not nearly all, and what follows.

    >>> _without_keys({"camera": 0.949, "person": 0.0, "session": 1.0})[:58]
    ' Not every picture states these: camera 94 %, person none.'
    """
    few = [f"{key} {_part(n)}" for key, n in sorted(shares.items()) if n < KNOWN_SHARE]
    if not few:
        return ""
    after = "Pictures that do not state one are not kept apart by it."
    return f" Not every picture states these: {', '.join(few)}. {after}"


def _part(share: float) -> str:
    if share == 0:
        return "none"
    return f"{int(100 * share)} %" if share >= 0.01 else "under 1 %"  # down: 94.9 % is not enough


Counts = Mapping[str, Mapping[str, Mapping[str, int]]]


def _classes(counts: Counts) -> Iterator[str]:
    """Write the tables of the settings and of the labels, those of which something is known."""
    filled = [name for name in counts if _is_known(counts[name])]
    settings = [name for name in filled if name in _SETTINGS]
    labels = [name for name in filled if name not in _SETTINGS]
    if settings:
        yield "Three bins a setting, cut on stops; edges are in `manifest.json` under `bins`."
        yield ""
        yield _table(
            ("setting", "split", *_BINS),
            (
                (setting, split, *(counts[setting][split].get(name, 0) for name in _BINS))
                for setting in settings
                for split in counts[setting]
            ),
        )
        yield ""
    if labels:
        yield "Labels are what the sources say; one with many numbers is cut into parts of equal size."
        yield ""
        yield _table(
            ("label", "split", "class", "pictures"),
            (
                (label, split, name.replace("|", "\\|"), n)
                for label in labels
                for split, classes in counts[label].items()
                for name, n in classes.items()
            ),
        )
        yield ""


def _is_known(by_split: Mapping[str, Mapping[str, int]]) -> bool:
    return any(
        n for classes in by_split.values() for name, n in classes.items() if name != "missing"
    )
