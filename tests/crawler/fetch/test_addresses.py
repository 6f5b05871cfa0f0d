import pytest
from hypothesis import given, strategies as st

from crawler.fetch.addresses import name_of, normalised
from crawler.fetch.hosts import host_of

hosts = st.sampled_from(["a.example", "A.Example", "127.0.0.1", "[::1]", "ü.example"])


paths = st.text("aB/%7?&=#", max_size=12).map(lambda text: "/" + text)


@given(
    st.sampled_from(["http", "HTTPS", "Http"]), hosts, st.sampled_from(["", ":80", ":8080"]), paths
)
def test_normalising_twice_is_normalising_once(
    scheme: str, host: str, port: str, path: str
) -> None:
    once = normalised(f"{scheme}://{host}{port}{path}")
    assert once
    assert normalised(once.geturl()) == once
    assert host_of(once.geturl()) == host_of(f"{scheme}://{host}{port}{path}")
    assert "#" not in once.geturl()


@pytest.mark.parametrize(
    "address",
    ["", "x", "/a.jpg", "http://", "http:///a", "http://a:b/", "http://[::1", "http://a b/"],
)
def test_what_is_no_address_is_none(address: str) -> None:
    assert normalised(address) is None


def test_two_addresses_that_differ_in_a_secret_are_two_photos_without_the_secret() -> None:
    first, second = (normalised(f"https://a.example/p?key={one}") for one in ("one", "two"))
    assert first
    assert second
    assert name_of(first) != name_of(second)
    assert "one" not in name_of(first)
