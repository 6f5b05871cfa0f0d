"""A head for a number: learnt on a standardised axis, stated in its unit with a 90 % interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from training.data.labels import label_values
from training.heads.base import Bounds, Calibration, Head, bounded, interval_of

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from training.data.arrays import Floats


@dataclass(frozen=True, kw_only=True)
class RegressionHead(Head):
    """A number of `column` in `unit`; `centre` and `scale` standardise it and come from the training rows.

    No value and no interval goes below `least`, where there is one.

    The loss is smooth L1 (Huber) of the standardised error, so single wrong labels do not dominate.
    """

    kind: ClassVar[str] = "regression"
    family: ClassVar[str] = "values"
    metric: ClassVar[str] = "mae"
    higher_is_better: ClassVar[bool] = False
    baselines: ClassVar[tuple[str, ...]] = ("median", "metadata", "tiny_features")

    column: str
    unit: str = ""
    centre: float = 0.0
    scale: float = 1.0
    least: float | None = None

    @property
    def bounds(self) -> Bounds:
        """The smallest and the largest value that there is; None where none is known."""
        return self.least, None

    @classmethod
    def standardised_on(
        cls, index: pl.DataFrame, column: str, about: Mapping[str, Any]
    ) -> list[Head]:
        """Make a head whose centre and scale are those of a column; none where no row has a value."""
        values = label_values(index, column).cast(pl.Float64, strict=False).drop_nulls().drop_nans()
        if values.is_empty():
            return []
        centre, scale = float(values.to_numpy().mean()), float(values.to_numpy().std()) or 1.0
        return [cls(column=column, centre=centre, scale=scale, **about)]

    def targets(self, index: pl.DataFrame) -> Floats:
        """Return the standardised value of each row, (N,), NaN without a label."""
        return np.asarray((self.truth(index) - self.centre) / self.scale)

    def truth(self, index: pl.DataFrame) -> Floats:
        """Return the value of each row in its unit, (N,), NaN without a label."""
        column = label_values(index, self.column).cast(pl.Float64, strict=False)
        return np.array(column.fill_null(float("nan")).to_numpy(), np.float64)

    def module(self, features: int) -> nn.Module:
        """Build a linear layer: (N, features) to the standardised value (N,)."""
        from training.models.head_layers import value_layer

        return value_layer(features)

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the smooth L1 loss of each row."""
        from torch.nn import functional

        is_labelled = ~target.isnan()
        safe = target.nan_to_num().to(output.dtype)
        return functional.smooth_l1_loss(output, safe, reduction="none"), is_labelled

    def raw(self, output: torch.Tensor) -> torch.Tensor:
        """Return the value in its unit, (N,)."""
        return self.stated({})(output)  # type: ignore[no-any-return]  # a module gives a tensor

    def selection_loss(self, raw: Floats, truth: NDArray[Any]) -> tuple[Floats, NDArray[Any]]:
        """Return the absolute error of each row, standardised."""
        is_labelled = ~np.isnan(truth)
        return np.abs(raw - np.where(is_labelled, truth, 0.0)) / self.scale, is_labelled

    def stated(self, calibration: Calibration) -> nn.Module:  # noqa: ARG002 - the contract
        """Map an output to the value in its unit, (N,)."""
        from training.models.head_layers import ValueInUnit

        return ValueInUnit(self.centre, self.scale, self.least)

    def answer(self, stated: NDArray[Any], calibration: Calibration) -> dict[str, Any]:
        """Return the value with the interval that held nine of ten validation pictures; null with too few of them."""
        value, half = bounded(float(stated), self.bounds), calibration.get("half_width_90")
        low, high = interval_of(value, half, self.bounds)
        return {"value": value, "low": low, "high": high, "unit": self.unit}
