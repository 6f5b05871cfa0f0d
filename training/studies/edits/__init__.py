"""Studies of edited pictures: how small, covered or filtered they may be."""
