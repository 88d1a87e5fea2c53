"""Grafana's dashboards as code: panels, dashboards, and what writes them."""
