"""From untrusted bytes to health, thumbnail and preview, in sandboxed processes."""
