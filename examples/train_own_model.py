"""Train a small network of one's own on a release and compare it with the most frequent class."""

import torch
from torch import nn

import safelight

RELEASE = "demo"
LABEL = "iso_bin"  # 0 low, 1 medium, 2 high
SIDE = 96
EPOCHS = 3

torch.set_num_threads(1)
model = nn.Sequential(nn.Conv2d(3, 24, 5, 4), nn.ReLU(), nn.Conv2d(24, 48, 3, 2), nn.ReLU())
model.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 3)))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)

with safelight.loader(
    RELEASE, split="train", size=SIDE, batch_size=16, labels=[LABEL], crop="native_random"
) as loader:
    for _ in range(EPOCHS):
        for batch in loader:
            mask = batch[f"{LABEL}_mask"]
            losses = nn.functional.cross_entropy(
                model(batch["image"] / 255), batch[LABEL], reduction="none"
            )
            optimizer.zero_grad()
            (losses * mask).sum().div(mask.sum().clamp(min=1)).backward()
            optimizer.step()

pairs = []
with safelight.loader(
    RELEASE,
    split="test",
    size=SIDE,
    batch_size=16,
    labels=[LABEL],
    crop="native",
    sampler="sequential",
) as loader:
    for batch in loader:
        answer = model(batch["image"] / 255).argmax(1)
        pairs.append(torch.stack([answer, batch[LABEL]])[:, batch[f"{LABEL}_mask"]])
answers, targets = torch.cat(pairs, dim=1)
majority = targets.bincount().max() / len(targets)
print(
    f"accuracy {(answers == targets).float().mean():.2f} of {len(targets)} pictures; "
    f"the most frequent class alone: {majority:.2f}"
)
