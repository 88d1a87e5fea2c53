"""Names on the wire: attributes, events, and the mapping of foreign telemetry. A leaf."""
