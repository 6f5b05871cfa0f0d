"""Training: train models on releases, evaluate them beside baselines, and write reports.

`Order` and `Outcome` are deprecated names of `TrainingRequest` and `TrainingResult`.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
