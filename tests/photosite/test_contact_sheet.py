from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image

from photosite.cli import demo
from photosite.contact_sheet import CELL_PX, COLUMNS, draw_sheet


def test_a_sheet_has_a_cell_for_each_picture_with_its_settings_below() -> None:
    sheet = draw_sheet(count=9)
    assert sheet.width == COLUMNS * CELL_PX[0]
    cells = np.asarray(sheet.crop((0, sheet.height // 2, sheet.width, sheet.height)), float)
    assert cells[:, : CELL_PX[0]].std() > 10
    assert cells[:, 2 * CELL_PX[0] :].std() < 1  # the ninth is alone in the second row


def test_the_command_writes_the_sheet(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    result = CliRunner().invoke(demo, ["contact-sheet", str(path), "--count", "2"])
    assert result.exit_code == 0, result.output
    with Image.open(path) as sheet:
        assert sheet.width > 1000
