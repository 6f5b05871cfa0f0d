"""Two workers of Ray Train end with the weights and losses of one process."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.fit.test_ranks import Even
from tests.training.small_training import CONFIG, SmallTraining, losses_of, open_numbers

pytestmark = pytest.mark.slow


def work(place: dict[str, Any]) -> None:
    """Train in one worker, as a user's function of Ray Train does."""
    import torch

    from training.fit.ranks import joined

    torch.set_num_threads(1)
    with joined() as ranks:
        own = Path(place["folder"]) / str(ranks.rank)
        own.mkdir(exist_ok=True)
        with open_numbers(own) as store:
            training = SmallTraining(store, Path(place["folder"]) / "model", CONFIG, Even(), 60.0)
            network, progress = training.fit()
    saved = {"weights": network.state_dict(), "losses": losses_of(progress), "size": ranks.size}
    torch.save(saved, Path(place["folder"]) / f"worker {ranks.rank}.pt")


def test_two_workers_learn_what_one_process_does(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="needs pip install 'safelight[cluster]'")
    train = pytest.importorskip("ray.train", exc_type=ImportError)
    from ray.train.torch import TorchConfig, TorchTrainer

    paths = {"env_vars": {"PYTHONPATH": str(Path(__file__).parents[3])}}  # workers import this file
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=paths
    )
    try:
        TorchTrainer(
            work,
            train_loop_config={"folder": str(tmp_path)},
            scaling_config=train.ScalingConfig(num_workers=2, use_gpu=False),
            torch_config=TorchConfig(backend="gloo"),
            run_config=train.RunConfig(storage_path=str(tmp_path / "ray")),
        ).fit()
    finally:
        ray.shutdown()
    (tmp_path / "alone").mkdir()
    with open_numbers(tmp_path / "alone") as store:
        network, progress = SmallTraining(store, tmp_path / "one", CONFIG, Even()).fit()
    saved = [torch.load(tmp_path / f"worker {rank}.pt") for rank in (0, 1)]
    for each in saved:
        assert each["size"] == 2
        np.testing.assert_allclose(each["losses"], losses_of(progress), atol=1e-5)
        for name, value in network.state_dict().items():
            torch.testing.assert_close(each["weights"][name], value, atol=1e-5, rtol=1e-5)
