"""Run as a script: leave the network while this process has one thread, then become the template.

Libraries start threads when they are imported, and a process with threads may not enter a user namespace. So this file
and `privileges.py`, which it runs by path, import the standard library only.
"""

import os
import runpy
import sys


def main(root: str, descriptor: str, network: str, *paths: str) -> None:
    """Serve the sandbox at a socket; `root` is the folder that holds the package, `paths` what children read.

    `network` is "network" when the data lies behind one, so that it must stay.
    """
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is not needed yet
    rights = runpy.run_path(os.path.join(here, "privileges.py"))  # noqa: PTH118 - as above
    nobody = rights["readable_by_nobody"](paths)
    if network != "network":
        rights["leave_network"](keep_user=nobody)
    sys.path.insert(0, root)
    from catalog.sandbox.template import serve

    serve(int(descriptor), nobody=nobody)


if __name__ == "__main__":
    main(*sys.argv[1:])
