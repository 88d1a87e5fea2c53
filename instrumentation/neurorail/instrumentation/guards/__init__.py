"""Calls of model clients, agent frameworks and tools that pass the gate before they are made."""
