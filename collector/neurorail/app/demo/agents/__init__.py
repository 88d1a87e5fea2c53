"""Agents of the demonstration, each a process of its own, to be read as examples.

They use NeuroRail's chain API and the official OpenAI client. `plain` uses nothing of NeuroRail:
OpenTelemetry's GenAI conventions are enough to be governed.
"""
