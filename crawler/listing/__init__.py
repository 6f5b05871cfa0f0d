"""What a source is, the words of its rows, and the helpers that sources share."""
