"""Running stored history through an engine again: exactly as it was, or under another manifest."""
