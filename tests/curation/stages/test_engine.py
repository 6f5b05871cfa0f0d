import pickle

import pyarrow as pa
import pytest

from curation.errors import UnknownRunnerError
from curation.stages.engine import Chain, apply
from curation.stages.stage import stage_id, with_outputs


class Double:
    """Stage: `x` to `y` = 2 x and a hidden thumbnail; refuses to run before its set-up."""

    name, version, inputs = "double", "3", ("x",)
    outputs = pa.schema([pa.field("y", pa.int64()), pa.field("thumbnail", pa.binary())])
    is_ready = False

    def setup(self) -> None:
        self.is_ready = True

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        assert self.is_ready
        numbers = batch.column("x").to_pylist()
        hidden = [None if number % 3 == 0 else b"t" for number in numbers]
        columns = {"y": [2 * number for number in numbers], "thumbnail": hidden}
        return with_outputs(batch, self.outputs, columns)


class Measure(Double):
    """Stage: `thumbnail` to `vector`."""

    name, version, inputs = "measure", "1", ("thumbnail",)
    outputs = pa.schema([pa.field("vector", pa.list_(pa.float32())), pa.field("word", pa.string())])

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        n = batch.num_rows
        return with_outputs(batch, self.outputs, {"vector": [[1.0, 2.0]] * n, "word": ["w"] * n})


class Broken(Double):
    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        raise RuntimeError(f"this stage is broken at {batch.num_rows} rows")


def rows(n: int) -> pa.Table:
    numbers = [None if i % 5 == 0 else i for i in range(n)]
    return pa.table({"asset_sha256": [f"{i:04d}" for i in range(n)], "x": numbers})


def results(runner: str, n: int = 100) -> list[dict[str, object]]:
    batches = apply([Double(), Measure()], rows(n), runner=runner, workers=2, batch_rows=7)
    result = pa.Table.from_batches(batches).sort_by("asset_sha256")
    listed: list[dict[str, object]] = result.to_pylist()
    return listed


def test_threads_give_every_row_once_with_nulls_where_an_input_was_missing() -> None:
    result = results("threads")
    assert [row["asset_sha256"] for row in result] == [f"{i:04d}" for i in range(100)]
    assert result[0] == {"asset_sha256": "0000", "y": None, "vector": None, "word": None}
    assert result[1] == {"asset_sha256": "0001", "y": 2, "vector": [1.0, 2.0], "word": "w"}
    assert result[3] == {"asset_sha256": "0003", "y": 6, "vector": None, "word": None}


def test_daft_gives_the_same_rows_as_threads() -> None:
    assert results("daft") == results("threads")


def test_no_rows_give_no_batches() -> None:
    assert list(apply([Double()], rows(0))) == []


def test_an_unknown_runner_is_refused() -> None:
    with pytest.raises(UnknownRunnerError, match="choose one of: daft, threads"):
        apply([Double()], rows(3), runner="spark")


def test_an_error_in_a_stage_is_raised() -> None:
    with pytest.raises(RuntimeError, match="this stage is broken"):
        list(apply([Broken()], rows(30), runner="threads", workers=2))


def test_a_chain_can_be_pickled_before_its_set_up() -> None:
    chain = pickle.loads(pickle.dumps(Chain([Double(), Measure()])))
    assert chain.outputs.names == ["asset_sha256", "y", "vector", "word"]


def test_a_stage_is_named_with_its_version() -> None:
    assert stage_id(Double()) == "double@3"
