"""Run as a script: leave the network while this process has one thread, then become a decoder child.

Libraries start threads when they are imported, and a process with threads may not enter a user namespace. So this file
and `privileges.py`, which it runs by path, import the standard library only.

The rooms are packages whose `__init__` loads much that no decoder needs. Here they are empty packages with the right
`__path__`: the child imports the module with its jobs and what that imports. Nothing is found in the current folder.
"""

import json
import os
import runpy
import sys
import types


def main(settings: str) -> None:
    """Serve one pool; `settings` is JSON with `packages` (folders by name), `module`, `files` and `limits`."""
    given = json.loads(settings)
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is not needed yet
    rights = runpy.run_path(os.path.join(os.path.dirname(here), "walls", "privileges.py"))  # noqa: PTH118, PTH120 - as above
    rights["leave_network"](keep_user=os.geteuid() == 0)
    for name, folder in given["packages"].items():
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package
    from catalog.sandbox.decoding.decoder_child import run

    run(given["module"], given["files"], given["limits"], parent=given["parent"])


if __name__ == "__main__":
    main(sys.argv[1])
