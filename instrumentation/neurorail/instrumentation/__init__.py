"""The agent's side. An agent needs nothing of it to be governed: plain OpenTelemetry is enough."""
