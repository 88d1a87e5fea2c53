#!/bin/sh
# Agents of the demonstration, one after the other, for ever, with a fake model beside them.
set -eu
python -m neurorail.app.demo.model_server --port 8080 &
trap 'kill $!' EXIT
trap 'exit 0' TERM INT
while true; do
    for agent in research_crew plain runaway retrying; do
        OTEL_SERVICE_NAME=$agent python -m "neurorail.app.demo.agents.$agent" || true
    done
    sleep 5
done
