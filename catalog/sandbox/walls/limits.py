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


@dataclass(frozen=True)
class DecoderLimits:
    """Bounds of a decoder child; a file that exceeds them costs itself only."""

    timeout_s: float = 30.0
    """Wall time of one file."""
    memory_bytes: int = 1_500_000_000
    """Address space beside what the child has mapped when it is ready."""
    output_bytes: int = 8 * MB
    """Pixels that one file may give back."""
    busy_s: float = 600.0
    """Work after which a child is replaced by a fresh one; the kernel ends it a little later."""

    @property
    def cpu_s(self) -> int:
        """Seconds of CPU in the life of a child: more than an honest one can use before it is replaced."""
        return int(self.busy_s + self.timeout_s) + 60
