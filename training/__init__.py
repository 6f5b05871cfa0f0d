"""Training: train models on releases, evaluate them beside baselines, and write reports.

`Order` and `Outcome` are deprecated names of `TrainingRequest` and `TrainingResult`.
"""

from typing import TYPE_CHECKING

from catalog import lazy_attributes

if TYPE_CHECKING:
    from training.fit.run_request import Order, Outcome, TrainingRequest, TrainingResult
    from training.recipes import RECIPES
    from training.report.report import write_report
    from training.runs.run import train

__all__ = [
    "RECIPES",
    "Order",
    "Outcome",
    "TrainingRequest",
    "TrainingResult",
    "train",
    "write_report",
]

if not TYPE_CHECKING:  # mypy would take every name for one that `__getattr__` knows
    __getattr__, __dir__ = lazy_attributes(
        __name__,
        {
            "training.fit.run_request": ("Order", "Outcome", "TrainingRequest", "TrainingResult"),
            "training.recipes": ("RECIPES",),
            "training.report.report": ("write_report",),
            "training.runs.run": ("train",),
        },
    )
