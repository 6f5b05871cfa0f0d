"""Training: models from releases, judged beside their baselines, with a report for people."""

from training.fit.run_request import Order, Outcome
from training.recipes import RECIPES
from training.report.report import write_report
from training.runs.run import train

__all__ = ["RECIPES", "Order", "Outcome", "train", "write_report"]
