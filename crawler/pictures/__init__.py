"""What the bytes of a file say without decoding its pixels: container, JPEG segments and quality, WAV header."""
