"""Run as a script: leave the network while this process has one thread, then become the template.

Libraries start threads when they are imported, and a process with threads may not enter a user namespace. So this file
and `privileges.py`, which it runs by path, import the standard library only.
"""

import os
import runpy
import sys


def main(root: str, descriptor: str, network: str, place: str, *paths: str) -> None:
    """Serve the sandbox at a socket; `root` is the folder that holds the package, `paths` what children read.

    `place` is the folder that all of `paths` are below.

    `network` is "network" when the data lies behind one, so that it must stay.
    """
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is not needed yet
    rights = runpy.run_path(os.path.join(os.path.dirname(here), "walls", "privileges.py"))  # noqa: PTH118, PTH120 - as above
    os.chdir("/")  # DuckDB could tell the folder in which the server was started
    mounted = os.geteuid() == 0 and rights["mount_below"](place)
    nobody = rights["readable_by_nobody"](paths)
    if network != "network":
        in_namespace = rights["leave_network"](keep_user=nobody)
        if in_namespace and not mounted:  # in a user namespace of its own everybody may mount
            rights["mount_below"](place)
    sys.path.insert(0, root)
    from catalog.sandbox.sql.template import serve

    serve(int(descriptor), nobody=nobody)


if __name__ == "__main__":
    main(*sys.argv[1:])
