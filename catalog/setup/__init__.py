"""Begin a workspace, and look at what Safelight needs: its installation, this machine, the workspace."""
