"""Sounds in the console: their pages show waveform and spectrogram, lists count classes, broken ones harm nothing."""

import hashlib
import io
import struct
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog import Workspace, open_catalog, rows, write_segment
from catalog.workspace.caches import drop_caches
from tests.catalog.web.serving import Server, serving
from tests.factories import jpeg
from tests.made_sounds import tone, wav, word

MOMENT = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - the catalog keeps UTC without a zone
HUGE = wav(tone(440)).replace(struct.pack("<I", 4800), struct.pack("<I", 2**31 - 2), 1)
BODIES = {
    "0_ann_1.wav": word(0, "ann", 1),
    "1_ann_1.wav": word(1, "ann", 1),
    "1_bob_2.wav": word(1, "bob", 2),
    "broken": b"RIFF\0\0\0\0WAVEfmt junk",
    "announces two gigabytes": HUGE,
    "long": wav(np.random.default_rng(0).normal(0, 0.1, 2_000_000).clip(-1, 1), 1_000_000),
    "a picture": jpeg(),
}
SHA = {name: hashlib.sha256(body).hexdigest() for name, body in BODIES.items()}


def _asset(name: str) -> dict[str, object]:
    kind = {"mime": "image/jpeg"} if name == "a picture" else {"mime": "audio/wav", "format": "WAV"}
    return {"sha256": SHA[name], "bytes": len(BODIES[name]), "first_seen": MOMENT, **kind}


def _label(name: str, number: int, task: str, value: str) -> dict[str, object]:
    return {
        "label_id": f"{name}/{task}",
        "subject_kind": "photo",
        "subject_id": f"p{number}",
        "task": task,
        "value": value,
        "label_source": "filename",
        "created_at": MOMENT,
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    workspace = Workspace.at(tmp_path_factory.mktemp("sounds") / "home")
    words = [name for name in BODIES if name.endswith(".wav")]
    photo = {"source": "sounds", "crawl_id": "c", "fetched_at": MOMENT, "training_allowed": True}
    tables = {
        "crawls": [
            {"crawl_id": "c", "source": "sounds", "config_json": "{}", "started_at": MOMENT}
            | {"finished_at": MOMENT, "status": "finished", "n_listed": 7, "n_done": 7}
        ],
        "assets": [_asset(name) for name in BODIES],
        "photos": [
            {"photo_id": f"p{n}", "source_photo_id": name, "asset_sha256": SHA[name], **photo}
            for n, name in enumerate(BODIES)
        ],
        "labels": [
            *(_label(name, n, "digit", name[0]) for n, name in enumerate(words)),
            *(_label(f"many{n}", 0, "seconds", str(n)) for n in range(40)),
        ],
    }
    write_segment(
        workspace,
        {name: rows(name, listed) for name, listed in tables.items()},
        job="crawl:c",
        images=[(SHA[name], body) for name, body in BODIES.items()],
    )
    with open_catalog(workspace) as catalog:
        catalog.commit()
    with serving(workspace.home) as started:
        yield started


def picture(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body))


def test_the_page_of_a_sound_has_its_plot_and_plays_it(server: Server) -> None:
    page = server.get(f"/pictures/{SHA['0_ann_1.wav']}").body.decode()
    assert f'src="/api/assets/{SHA["0_ann_1.wav"]}/plot"' in page
    assert "<audio controls" in page
    assert "EXIF" not in page
    drawn = server.get(f"/api/assets/{SHA['0_ann_1.wav']}/plot")
    assert (drawn.status, picture(drawn.body).size) == (200, (1100, 560))
    colours = np.asarray(picture(drawn.body).convert("RGB"))[200:500, 110:1080]
    assert colours.std() > 20, "tones stand out from silence"
    assert server.get(f"/api/assets/{SHA['a picture']}/plot").status == 422


def test_a_plot_is_drawn_once_and_goes_with_its_sound(server: Server) -> None:
    path = f"/api/assets/{SHA['1_ann_1.wav']}/plot"
    drawn = server.get(path)
    cache = Path(server.home) / "cache" / "thumbnails"
    [kept] = cache.glob(f"*/{SHA['1_ann_1.wav']}-plot.webp")
    assert kept.read_bytes() == drawn.body
    assert server.get(path, **{"If-None-Match": drawn.headers["etag"]}).status == 304
    drop_caches(Workspace.at(server.home), [SHA["1_ann_1.wav"]])
    assert not kept.exists()
    assert server.get(path).body == drawn.body


def test_thumbnails_of_sounds_differ_and_a_broken_one_has_the_sign_of_a_sound(
    server: Server,
) -> None:
    first, second, broken = (
        server.get(f"/api/assets/{SHA[name]}/thumbnail?side=96")
        for name in ("0_ann_1.wav", "1_bob_2.wav", "broken")
    )
    assert picture(first.body).size == (96, 72)
    assert first.body != second.body
    assert (broken.status, broken.headers["content-type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize("name", ["broken", "announces two gigabytes"])
def test_a_broken_sound_is_refused_in_words_and_has_a_page(server: Server, name: str) -> None:
    refused = server.get(f"/api/assets/{SHA[name]}/plot")
    assert refused.status == 422
    assert "cannot be drawn" in refused.json["error"]
    assert server.get(f"/pictures/{SHA[name]}").status == 200


def test_a_long_sound_of_a_high_rate_is_drawn(server: Server) -> None:
    assert server.get(f"/api/assets/{SHA['long']}/plot").status == 200


def test_the_page_of_a_crawl_counts_classes_but_no_label_of_many_values(server: Server) -> None:
    page = server.get("/crawls/c").body.decode()
    classes = page.split("<h2>Classes</h2>")[1].split("</section>")[0]
    assert "<h3>digit</h3>" in classes
    assert "<h3>seconds</h3>" not in classes
    assert '<td>0</td><td class="n">1</td>' in classes
    assert '<td>1</td><td class="n">2</td>' in classes
