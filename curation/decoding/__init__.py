"""From bytes to health, thumbnail and preview, in processes without rights."""
