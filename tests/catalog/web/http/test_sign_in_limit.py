"""How many wrong tokens an address may try."""

from catalog.web.http.sign_in_limit import MAX_ADDRESSES, LeakyBucket, SignInLimit


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def limit(clock: Clock) -> SignInLimit:
    return SignInLimit(overall=LeakyBucket(20, 1.0), clock=clock)


def test_five_wrong_ones_then_one_every_ten_seconds() -> None:
    clock = Clock()
    attempts = limit(clock)
    assert [attempts.take("192.0.2.1") for _ in range(6)] == [0, 0, 0, 0, 0, 10]
    clock.now += 10
    assert attempts.take("192.0.2.1") == 0
    assert 0 < attempts.take("192.0.2.1") <= 10
    clock.now += 1_000
    assert [attempts.take("192.0.2.1") > 0 for _ in range(6)] == [False] * 5 + [True]


def test_other_addresses_are_not_held_up_until_all_are_too_many_together() -> None:
    attempts = limit(Clock())
    refused = [attempts.take(f"192.0.2.{n}") > 0 for n in range(30)]
    assert refused == [False] * 20 + [True] * 10


def test_right_ones_are_given_back() -> None:
    attempts = limit(Clock())
    for _ in range(50):
        assert attempts.take("192.0.2.1") == 0
        attempts.give_back("192.0.2.1")


def test_addresses_of_one_network_of_ipv6_count_as_one() -> None:
    attempts = limit(Clock())
    assert [attempts.take(f"2001:db8::{n}") > 0 for n in range(6)][-1]
    assert attempts.take("2001:db8:0:1::1") == 0


def test_the_number_of_addresses_is_bounded() -> None:
    attempts = SignInLimit(overall=LeakyBucket(10**9, 1.0), clock=Clock())
    for n in range(MAX_ADDRESSES + 50):
        attempts.take(f"host-{n}")
    assert len(attempts._buckets) <= MAX_ADDRESSES
