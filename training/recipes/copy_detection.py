"""Train an embedder for copy detection from pictures without labels.

Each picture is edited in two ways, and the network has to find the other view of the picture among the views of all
others. `curation` uses the embedder; it does not predict anything about a photograph.
"""

from training.fit.embedder_recipe import CopyConfig, EmbedderRecipe

DEFAULT = CopyConfig(
    epochs=12, batch_size=32, learning_rate=1e-3, input_px=160, dim=256, frozen_blocks=11
)
SMOKE = CopyConfig(
    epochs=2, batch_size=8, learning_rate=1e-3, input_px=64, dim=128, frozen_blocks=14
)

COPY_DETECTION = EmbedderRecipe(
    name="copy_detection",
    version=1,
    summary="vectors whose cosine is high for copies of one photograph, for curation",
    presets={"default": DEFAULT, "smoke": SMOKE},
)
