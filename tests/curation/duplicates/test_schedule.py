from curation.duplicates.schedule import Candidate, CandidateGroups, waves


def test_all_pairs_between_two_groups_are_verified_until_one_joins_them() -> None:
    """An added picture must not use up the tries of a pair that joined two groups before."""
    groups = CandidateGroups([*"abcd"], {})
    groups.join(0, 1)
    groups.join(2, 3)
    pairs = [Candidate(i, j, row) for row, (i, j) in enumerate([(0, 2), (0, 3), (1, 2), (1, 3)])]
    verified = []
    for wave in waves(pairs, groups):
        for pair in wave:
            verified.append((pair.left, pair.right))
            if (pair.left, pair.right) == (1, 2):
                groups.join(1, 2)
    assert verified == [(0, 2), (0, 3), (1, 2)]
