"""Find duplicates in a folder with another program; bench_dedupe.py runs this script with that program's Python.

    python dedupe_peers.py NAME FOLDER OUTPUT

Writes JSON: version, CPU seconds, and pairs of file names, with the default options of the program.
"""

import itertools
import json
import os
import resource
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from unittest.mock import MagicMock


def imagededup(folder: str) -> list[tuple[str, str]]:
    # It imports torchvision for its network even if only hashes are computed.
    for name in ("", ".transforms", ".models", ".models.vision_transformer"):
        sys.modules[f"torchvision{name}"] = MagicMock()
    from imagededup.methods import PHash

    duplicates = PHash(verbose=False).find_duplicates(image_dir=folder, num_enc_workers=0)
    return [(name, other) for name, others in duplicates.items() for other in others]


def fastdup(folder: str) -> list[tuple[str, str]]:
    os.environ["SENTRY_OPT_OUT"] = "1"
    import fastdup as program

    with tempfile.TemporaryDirectory() as work:
        result = program.create(work_dir=work, input_dir=folder)
        result.run(num_threads=2, print_summary=False)
        pairs = result.similarity()
        return list(zip(pairs["filename_from"], pairs["filename_to"], strict=True))


def cleanvision(folder: str) -> list[tuple[str, str]]:
    from cleanvision import Imagelab

    lab = Imagelab(data_path=folder, verbose=False)
    lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, n_jobs=1, verbose=False)
    sets = [*lab.info["near_duplicates"]["sets"], *lab.info["exact_duplicates"]["sets"]]
    return [pair for each in sets for pair in itertools.combinations(each, 2)]


def main() -> None:
    name, folder, output = sys.argv[1:]
    pairs = {"imagededup": imagededup, "fastdup": fastdup, "cleanvision": cleanvision}[name](folder)
    usage = [
        resource.getrusage(scope) for scope in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    pair_names = {tuple(sorted((Path(a).stem, Path(b).stem))) for a, b in pairs}
    result = {
        "version": version(name),
        "cpu_s": sum(each.ru_utime + each.ru_stime for each in usage),
        "pairs": sorted(pair for pair in pair_names if pair[0] != pair[1]),
    }
    Path(output).write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main()
