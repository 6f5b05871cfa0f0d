"""What one query may use."""

from dataclasses import dataclass

MB = 2**20


@dataclass(frozen=True)
class Limits:
    """Bounds of one job of the sandbox; what exceeds them is cut, refused or killed."""

    timeout_s: float = 30.0
    max_rows: int = 100_000
    max_bytes: int = 32 * MB
    """Size of the result."""
    memory_mb: int = 1024
    threads: int = 2

    @property
    def cpu_s(self) -> int:
        """Seconds of CPU of all threads: what the deadline allows, rounded up."""
        return int(self.timeout_s * self.threads) + 2
