"""Properties of a file that need no decoded pixels: container, JPEG segments and quality, WAV header."""
