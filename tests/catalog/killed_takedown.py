"""Take down in a process that may be killed: `python -m tests.catalog.killed_takedown HOME NAME`."""

import sys

from catalog import Workspace
from catalog.takedown.takedown import TakedownRequest, take_down
from crawler import FrontierQueue

if __name__ == "__main__":
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    order = TakedownRequest("photographer", sys.argv[2], "asked", purge_releases=True)
    take_down(Workspace.at(sys.argv[1]), order, FrontierQueue)
