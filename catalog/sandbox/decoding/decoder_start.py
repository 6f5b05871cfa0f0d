"""Run as a script: leave the network while this process has one thread, then become a decoder child.

Libraries start threads when they are imported, and a process with threads may not enter a user namespace. So this file
and `privileges.py`, which it runs by path, import the standard library only.

The rooms are packages whose `__init__` loads a name where it is named. So the child imports the module with its jobs
and what that imports, also from the face of another room. Nothing is found in the current folder.
"""

import json
import os
import runpy
import sys
from importlib.util import module_from_spec, spec_from_file_location


def main(settings: str) -> None:
    """Serve one pool; `settings` is JSON with `packages` (folders by name), `module`, `files` and `limits`."""
    given = json.loads(settings)
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is not needed yet
    rights = runpy.run_path(os.path.join(os.path.dirname(here), "walls", "privileges.py"))  # noqa: PTH118, PTH120 - as above
    rights["leave_network"](keep_user=os.geteuid() == 0)
    for name, folder in given["packages"].items():
        _load_package(name, folder)
    from catalog.sandbox.decoding.decoder_child import run

    run(given["module"], given["files"], given["limits"], parent=given["parent"])


def _load_package(name: str, folder: str) -> None:
    """Load a package from the folder that the other side has it from."""
    init = os.path.join(folder, "__init__.py")  # noqa: PTH118 - pathlib is not needed yet
    spec = spec_from_file_location(name, init, submodule_search_locations=[folder])
    if spec is None or spec.loader is None:
        raise ImportError(f"{init} cannot be loaded")
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


if __name__ == "__main__":
    main(sys.argv[1])
