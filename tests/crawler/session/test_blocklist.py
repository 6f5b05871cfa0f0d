import pytest

from crawler.session.blocklist import Blocklist


@pytest.mark.parametrize(
    "url",
    [
        "https://photos.example/private/1.jpg",
        "https://PHOTOS.example:443/private/1.jpg",
        "https://photos.example./private/1.jpg",
        "https://photos。example/private/1.jpg",
        "https://me:pw@photos.example/private/1.jpg",
        "https://photos.example/x/../private/1.jpg",
        "https://photos.example/%70rivate/1.jpg",
    ],
)
def test_no_spelling_gets_past_a_blocked_prefix(url: str) -> None:
    blocked = Blocklist(url_prefixes=("https://photos.example/private/",))
    assert blocked.find_reason("p", url, None) == "url_prefix"


def test_what_is_beside_a_blocked_prefix_comes_in() -> None:
    blocked = Blocklist(url_prefixes=("https://photos.example/private/",))
    for url in ("https://photos.example/public/1.jpg", "https://photos.example.org/private/1.jpg"):
        assert blocked.find_reason("p", url, None) is None
