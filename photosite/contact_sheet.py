"""Draw a contact sheet: small pictures of the plan with their settings below."""

from PIL import Image, ImageDraw, ImageFont

from catalog import format_exposure
from photosite.pictures.camera import photograph
from photosite.plan.plan import DemoPlan
from photosite.plan.shot_parameters import Shot

CELL_PX, LABEL_PX, COLUMNS = (232, 176), 30, 8
PAPER, INK = (24, 24, 26), (214, 210, 200)


def draw_sheet(count: int = 48, seed: int = 7) -> Image.Image:
    """Draw `count` undamaged pictures of a plan, eight in a row."""
    plan = DemoPlan(seed=seed, photos=max(count * 2, 20))
    shots = [photo.shot for photo in plan.uploads if photo.kind == "original"][:count]
    rows = -(-len(shots) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL_PX[0], rows * (CELL_PX[1] + LABEL_PX)), PAPER)
    for number, shot in enumerate(shots):
        row, column = divmod(number, COLUMNS)
        _draw_cell(sheet, shot, (column * CELL_PX[0], row * (CELL_PX[1] + LABEL_PX)))
    return sheet


def _draw_cell(sheet: Image.Image, shot: Shot, corner: tuple[int, int]) -> None:
    picture = Image.fromarray(photograph(shot))
    picture.thumbnail((CELL_PX[0] - 8, CELL_PX[1] - 8))
    left = corner[0] + (CELL_PX[0] - picture.width) // 2
    sheet.paste(picture, (left, corner[1] + 4 + (CELL_PX[1] - 8 - picture.height) // 2))
    text = (
        f"f/{float(shot.f_number):g}  {format_exposure(float(shot.exposure_time))}  ISO {shot.iso}"
    )
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    pen.text((corner[0] + 6, corner[1] + CELL_PX[1]), text, INK, font)
    pen.text((corner[0] + 6, corner[1] + CELL_PX[1] + 13), shot.family, (130, 128, 120), font)
