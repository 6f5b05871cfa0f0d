"""The folder of one workspace: its places, settings, logs, durable files and caches."""
