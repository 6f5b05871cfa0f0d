"""Settings of the machine that curates; what changes the result belongs into the plan instead."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CurateSettings:
    """Section [curate] of safelight.toml."""

    runner: str = "daft"
    """Engine of the stages: daft or threads."""

    cluster: str = ""
    """Address of the Ray cluster whose nodes run the stages: local, auto or HOST:PORT; empty for this machine alone."""

    workers: int = 0
    """Batches at work at the same time under `threads`; 0 for one per core."""

    chunk: int = 4096
    """Pictures whose stage results are committed together: what a killed run may lose."""

    faces: str = "auto"
    """Whether faces are looked for: on, off, or auto (where `safelight[faces]` is installed)."""

    embedder: str = ""
    """Network that embeds: empty for EfficientNet-Lite0, `name@version` of a trained one, or an ONNX file."""
