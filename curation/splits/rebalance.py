"""The ways to lift rare classes; `balance.py` defines each."""

from typing import Literal

Rebalance = Literal["none", "sqrt", "inverse", "effective"]
