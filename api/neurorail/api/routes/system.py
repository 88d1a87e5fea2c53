"""Is it alive, is it ready, and its metrics."""

from __future__ import annotations

from starlette.responses import Response

from neurorail.api.access import Router, needs, public
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse
from neurorail.collector.access.permissions import READ_METRICS

router = Router(tags=["system"])


@router.get("/health")
@public
async def health(parts: Parts) -> JsonResponse:
    """Whether the process answers at all; it does if you read this."""
    return JsonResponse({"status": "ok", "version": parts.version, "node": parts.node})


@router.get("/ready")
@public
async def ready(parts: Parts) -> JsonResponse:
    """200 when every part is up, else 503 with what is not and why."""
    states = parts.readiness()
    reasons = {part: why for part, why in states.items() if why is not None}
    body = {
        "status": "not ready" if reasons else "ready",
        "parts": {part: "up" if why is None else "down" for part, why in states.items()},
        "reasons": reasons,
    }
    return JsonResponse(body, 503 if reasons else 200)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text format"}},
)
@needs(READ_METRICS, open_on_loopback=True)
async def metrics(parts: Parts, tenant: Tenant) -> Response:
    """Prometheus text format."""
    counts = await parts.engine.counts(tenant)
    parts.health.governance.set_active(counts.by_state)
    text, content_type = parts.health.exposition()
    return Response(text, media_type=content_type)
