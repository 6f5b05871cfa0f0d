"""How strongly rare classes may be lifted; `balance.py` says what each does."""

from typing import Literal

Rebalance = Literal["none", "sqrt", "inverse", "effective"]
