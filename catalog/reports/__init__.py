"""What the reports of all rooms share: rendering, charts, styles, and links into the console."""
