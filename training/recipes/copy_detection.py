"""Learn which pictures are copies of one photograph, from the pictures alone.

No label is needed: each picture is edited in two ways, and the network must find its other view among
those of all others. The result is a network for `curation`, not an answer about a photograph.
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
    summary="vectors whose cosine tells copies of one photograph, for curation",
    presets={"default": DEFAULT, "smoke": SMOKE},
)
