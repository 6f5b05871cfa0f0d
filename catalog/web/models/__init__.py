"""The models of a workspace for pages and API: what they learnt, how good they are, where they err, how two differ."""
