"""Agents of the demonstration, each a process of its own, to be read as examples.

They use the official OpenTelemetry SDK, its OTLP exporters and the official OpenAI client. What is
NeuroRail's in them is attribute names and `chain.py`.
"""
