"""The encoders of a workspace that its user brought.

models/encoders/<name>/card.json      how it is used and where it comes from; written last
models/encoders/<name>/encoder.onnx   uint8 pictures (N, 3, H, W) to vectors (N, D)
"""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import onnx
import onnxruntime

from training.encoders.encoder_card import NOT_STATED, WELL_KNOWN, EncoderCard
from training.encoders.encoder_graph import (
    LONGEST_VECTOR,
    PICTURES,
    VECTORS,
    from_onnx,
    from_tfjs,
)
from training.encoders.package_files import PackageFiles, choose_graph
from training.encoders.tfjs_files import read_tfjs
from training.errors import EncoderExistsError, EncoderFileError, EncoderNotFoundError

FOLDER = "encoders"
CARD, GRAPH = "card.json", "encoder.onnx"
BUILT_IN = ("lite0",)
PROBES = 3  # pictures on which a new encoder is tried


@dataclass(frozen=True)
class EncoderSource:
    """What a user gives: a name, the file or package, the file inside it, a card, and a licence."""

    name: str
    path: Path
    member: str = ""
    card: Mapping[str, Any] | None = None
    licence: str = ""


def add_encoder(models: Path, source: EncoderSource, *, replaces: bool = False) -> EncoderCard:
    """Read a graph, try it, and keep it below `models`; returns its card.

    Raises EncoderFileError, or EncoderExistsError for a name that has other weights.
    """
    _check_name(source.name)
    files = PackageFiles.of(source.path)
    member = source.member
    if files.source != source.path:  # one file, whose neighbours are its weights
        member = source.path.name
    chosen = choose_graph(files, source.name, member)
    card = _described(source, files, chosen)
    model = _read(files, chosen, card)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    card = replace(
        card, weights_sha256=hashlib.sha256(data).hexdigest(), dim=_tried(data, card.side)
    )
    existing = models / FOLDER / source.name
    if (existing / CARD).exists() and not replaces:
        old = EncoderCard.from_json((existing / CARD).read_bytes())
        if old.weights_sha256 != card.weights_sha256:
            raise EncoderExistsError(source.name, old.sha256)
    _write(existing, card, data)
    return card


def list_encoders(models: Path) -> list[EncoderCard]:
    """Return the cards of the encoders that were added, by name."""
    paths = sorted((models / FOLDER).glob(f"*/{CARD}"))
    finished = [path for path in paths if not path.parent.name.startswith(".")]
    return [EncoderCard.from_json(path.read_bytes()) for path in finished]


def remove_encoder(models: Path, name: str) -> None:
    """Delete an encoder; models that were trained with it contain it and go on working."""
    find_encoder(models, name)
    shutil.rmtree(models / FOLDER / name)


def find_encoder(models: Path | None, name: str) -> Path:
    """Return the folder of an encoder; raises EncoderNotFoundError."""
    folder = models / FOLDER / name if models is not None else Path(name)
    if models is None or PurePosixPath(name).name != name or not (folder / CARD).exists():
        existing = [card.name for card in list_encoders(models)] if models is not None else []
        raise EncoderNotFoundError(name, [*BUILT_IN, *existing])
    return folder


def _check_name(name: str) -> None:
    is_plain = name.replace("-", "").replace("_", "").isalnum() and name.isascii()
    if not is_plain or name in BUILT_IN:
        raise EncoderFileError(
            f"an encoder cannot be called {name!r}: letters, digits, - and _, and not {', '.join(BUILT_IN)}"
        )


def _described(source: EncoderSource, files: PackageFiles, chosen: str) -> EncoderCard:
    """Make the card: what is known of the graph, then what the package says, then what the user says."""
    facts = files.package_facts() if files.source == source.path else {}
    kind = {".onnx": "ONNX", ".safetensors": "safetensors", ".json": "TF.js graph"}[
        PurePosixPath(chosen).suffix
    ]
    package = f"{facts['name']} {facts.get('version', '')}".strip() if "name" in facts else ""
    card = WELL_KNOWN.get(PurePosixPath(chosen).stem, EncoderCard())
    stated: dict[str, Any] = {
        "licence": str(facts.get("license", NOT_STATED)),
        **(source.card or {}),
    }
    if source.licence:
        stated["licence"] = source.licence
    card = card.with_values(stated)
    return replace(
        card, name=source.name, kind=kind, package=package, file=f"{source.path.name}:{chosen}",
        sha256=_sha256(source.path if source.path.is_file() else source.path / chosen),
    )  # fmt: skip


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(files: PackageFiles, chosen: str, card: EncoderCard) -> onnx.ModelProto:
    data = files.read(chosen)
    if card.kind == "ONNX":
        return from_onnx(data, card)
    if card.kind == "safetensors":
        from training.encoders.architectures import from_safetensors  # brings torch

        return from_safetensors(data, card)
    return from_tfjs(read_tfjs(data, lambda name: files.beside(chosen, name)), card)


def _tried(data: bytes, side: int) -> int:
    """Run the graph on random pictures, together and one by one; return the length of a vector."""
    pictures = np.random.default_rng(0).integers(0, 256, (PROBES, 3, side, side), dtype=np.uint8)
    try:
        session = open_session(data)
        alone = [session.run([VECTORS], {PICTURES: pictures[n : n + 1]})[0] for n in range(PROBES)]
        together = session.run([VECTORS], {PICTURES: pictures})[0]
    except Exception as error:
        raise EncoderFileError(f"the graph does not run ({str(error).splitlines()[0]})") from error
    if not np.isfinite(together).all() or not 1 <= together.shape[1] <= LONGEST_VECTOR:
        raise EncoderFileError(
            f"the graph gives vectors {together.shape} that are not usable numbers"
        )
    if not np.allclose(together, np.concatenate(alone), rtol=1e-3, atol=1e-3):
        raise EncoderFileError(
            "the graph gives other vectors for several pictures than for each alone"
        )
    return int(together.shape[1])


def open_session(model: bytes | Path) -> onnxruntime.InferenceSession:
    """Open a graph in onnxruntime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    content = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _write(folder: Path, card: EncoderCard, data: bytes) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".adding-"))
    (aside / GRAPH).write_bytes(data)
    (aside / CARD).write_text(card.to_json(), "utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
