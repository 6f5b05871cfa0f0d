from catalog import TOO_FEW
from training.evaluation.tasks.retrieval_table import recall_table, recall_verdict


def test_the_verdict_needs_intervals_that_do_not_touch() -> None:
    def rows(
        ours: tuple[float, float], default: tuple[float, float], n_groups: int = 30
    ) -> list[dict[str, object]]:
        about = {"slice": "all", "metric": "recall_at_precision_0.9", "n_groups": n_groups}
        named = {"model": ours, "efficientnet_lite0": default}
        return [
            about | {"predictor": name, "value": sum(each) / 2, "low": each[0], "high": each[1]}
            for name, each in named.items()
        ]

    assert recall_verdict(rows((0.8, 0.9), (0.5, 0.7))).startswith("It finds more")
    assert recall_verdict(rows((0.2, 0.3), (0.5, 0.7))).startswith("It finds less")
    assert recall_verdict(rows((0.6, 0.8), (0.5, 0.7))).startswith("It cannot be told")
    assert "too few groups to tell" in recall_verdict(rows((0.8, 0.9), (0.5, 0.7), n_groups=9))


def test_under_ten_groups_the_table_has_no_interval() -> None:
    for n_groups in (2, 9, 10):
        rows = [
            {"slice": part, "predictor": name, "metric": f"recall_at_precision_{precision}"}
            | {"value": 0.5, "low": 0.45, "high": 0.55, "n": 90, "n_groups": n_groups}
            for name in ("model", "efficientnet_lite0", "pdq")
            for part in ("all", "edits=4")
            for precision in (0.9, 0.99)
        ]
        table = recall_table(rows)
        assert table[0] == ("copies", "precision", "this embedder", "EfficientNet-Lite0", "PDQ")
        assert [line[0] for line in table[1:]] == ["all", "all", "with 4 edits", "with 4 edits"]
        has_intervals = {"[" in cell for line in table[1:] for cell in line[2:]}
        assert has_intervals == {n_groups >= 10}
        assert (TOO_FEW in recall_verdict(rows)) == (n_groups < 10)
