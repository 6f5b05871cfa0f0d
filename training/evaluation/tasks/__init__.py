"""The evaluation of each kind of head: metrics, baselines and intervals of its task."""
