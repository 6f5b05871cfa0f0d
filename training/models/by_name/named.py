"""Backbones by name: `timm:NAME` of the library timm, and `module:Class` of a Python file in the working folder.

What is named is called without arguments (with `side=`, where it takes that) and gives a module that maps pictures
(N, 3, S, S), float32 of mean 0 and spread 1 over the training pictures, to features (N, F). F is measured.
"""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from catalog import MissingPartError
from training.errors import NetworkError, OptionError
from training.models.headed import Inputs
from training.models.small_cnn import StandardisedPictures

TIMM = "timm"
FORMS = (f"{TIMM}:NAME", "module:Class")


class NamedBackbone(StandardisedPictures):
    """A network of somebody else over standardised pictures.

    >>> class Means(nn.Module):
    ...     def forward(self, pictures):
    ...         return pictures.mean(dim=(2, 3))
    >>> backbone = NamedBackbone("mine:Means", 8, Means())
    >>> backbone.features, backbone({"pictures": torch.zeros(2, 3, 8, 8, dtype=torch.uint8)}).shape
    (3, torch.Size([2, 3]))
    """

    def __init__(self, name: str, side: int, module: nn.Module | None = None) -> None:
        made = named_module(name, side) if module is None else module
        super().__init__(_features(name, made, side))
        self.name = name
        self.module = made

    def forward(self, inputs: Inputs, _part: str = "") -> torch.Tensor:
        """Map `pictures` (N, 3, S, S), uint8, to features (N, F)."""
        features: torch.Tensor = self.module(self.scaled(inputs))
        return features


def named_module(name: str, side: int) -> nn.Module:
    """Build the network of a name; raises OptionError, NetworkError, or MissingPartError without timm."""
    where, _, what = name.partition(":")
    if not where or not what:
        raise OptionError(f"network={name}", FORMS)
    if where == TIMM:
        return _of_timm(what)
    make = getattr(_module(where), what, None)
    if not callable(make):
        raise NetworkError(name, f"{where} has no class or function {what}")
    made = _made(name, make, side)
    if not isinstance(made, nn.Module):
        raise NetworkError(name, f"it gives {type(made).__name__}, not a torch.nn.Module")
    return made


def source_hash(name: str) -> str:
    """Return the hash of the file that defines a network, because another one is another model; empty without it."""
    path = _file(name.partition(":")[0])
    return hashlib.sha256(path.read_bytes()).hexdigest()[:20] if path.is_file() else ""


def _made(name: str, make: Callable[..., Any], side: int) -> Any:
    try:
        takes_side = "side" in inspect.signature(make).parameters
        return make(side=side) if takes_side else make()
    except TypeError as error:  # it needs more arguments
        raise NetworkError(name, str(error)) from error


def _of_timm(name: str) -> nn.Module:
    if importlib.util.find_spec(TIMM) is None:
        raise MissingPartError(TIMM, TIMM)
    timm = importlib.import_module(TIMM)
    existing = timm.list_models()
    if name not in existing:  # of its thousand names the nearest are enough
        near = difflib.get_close_matches(name, existing, n=5) or existing[:5]
        raise OptionError(f"{TIMM}:{name}", [f"{TIMM}:{each}" for each in near])
    made: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    return made


def _module(name: str) -> Any:
    """Import a Python file of the working folder, or else an installed module."""
    path = _file(name)
    if not path.is_file():
        try:
            return importlib.import_module(name)
        except ImportError as error:
            reason = f"there is no {path.name} in {path.parent}, and no such module ({error})"
            raise NetworkError(name, reason) from error
    spec = importlib.util.spec_from_file_location(f"safelight_network_{path.stem}", path)
    assert spec is not None, "a file that ends in .py"
    assert spec.loader is not None, "as above"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _file(module: str) -> Path:
    return Path.cwd() / f"{module.replace('.', '/')}.py"


def _features(name: str, module: nn.Module, side: int) -> int:
    """Measure the length of the features of a picture; raises NetworkError for another shape than (N, F)."""
    was_training = module.training
    with torch.no_grad():
        try:
            given = module.eval()(torch.zeros(2, 3, side, side))
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            reason = str(error).partition("\n")[0]
            raise NetworkError(name, f"it cannot read (2, 3, {side}, {side}): {reason}") from error
    module.train(was_training)
    shape = tuple(getattr(given, "shape", ()))
    if len(shape) != 2 or shape[0] != 2:
        found = shape or type(given).__name__
        raise NetworkError(
            name, f"for pictures (2, 3, {side}, {side}) it gives {found}, not (2, F)"
        )
    return int(shape[1])
