"""`safelight.predict`: predictions of a trained model as dicts."""

from pathlib import Path

import safelight
from tests.training.conftest import Trained


def test_predict_gives_one_dict_for_each_file_and_task(trained: Trained, tmp_path: Path) -> None:
    with safelight.load("made", split="test", workspace=trained.workspace) as pictures:
        for number in range(2):
            (tmp_path / f"{number}.jpg").write_bytes(pictures.bytes(number))
    files = sorted(tmp_path.glob("*.jpg"))
    rows = safelight.predict(trained.folder.name, files, trained.workspace)
    assert [row["file"] for row in rows] == [str(path) for path in files for _ in range(3)]
    assert all(abs(row["low"] + row["medium"] + row["high"] - 1) < 1e-6 for row in rows)
    assert safelight.predict(trained.folder.name, files[0], trained.workspace) == rows[:3]
