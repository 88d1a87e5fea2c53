"""The demonstration: a server, a model that misbehaves on purpose, and agents in own processes."""
