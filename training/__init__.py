"""Training: models from releases, judged beside their baselines, with a report for people."""

from training.orders import Order, Outcome
from training.recipes import RECIPES
from training.report import write_report
from training.run import train

__all__ = ["RECIPES", "Order", "Outcome", "train", "write_report"]
