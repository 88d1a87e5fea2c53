"""OTLP receivers: gRPC and HTTP, from a request's bytes to durable submissions."""
