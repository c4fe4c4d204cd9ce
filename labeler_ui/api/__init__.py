"""The page's own HTTP routes: images and the answers' way to SQL, on the same app as the pages."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route

from labeler_ui import counters
from labeler_ui.api import grid, images, labeling, metrics, v1, why
from labeler_ui.api.guards import Service

__all__ = ["Service", "routes"]


def routes(service: Service) -> Sequence[BaseRoute]:
    """Return the routes of the JSON API and the images, bound to one service.

    Args:
        service: The store and the token secret that every route uses.
    """
    project = "/api/projects/{project_id:int}"
    query = f"{project}/queries/{{query_id:int}}"
    return [
        Route("/api/health", labeling.health, methods=["GET"]),
        Route("/api/token", service.guarded(labeling.refresh_token), methods=["POST"]),
        Route(f"{project}/claims", service.guarded(labeling.claims), methods=["POST"]),
        Route(f"{project}/answers", counters.timed("page", service.guarded(labeling.answers)), methods=["POST"]),
        Route(f"{project}/recent", service.guarded(labeling.recent), methods=["GET"]),
        Route(f"{project}/undo", service.guarded(labeling.undo), methods=["POST"]),
        Route(f"{project}/grid/claims", service.guarded(grid.claims), methods=["POST"]),
        Route(f"{project}/grid/release", service.guarded(grid.release), methods=["POST"]),
        Route(f"{project}/images/{{sample_id:int}}", service.guarded(images.image), methods=["GET"]),
        Route(f"{project}/synthetic/{{synthetic_id:int}}", service.guarded(images.synthetic_image), methods=["GET"]),
        Route(f"{query}/image", service.guarded(images.asked), methods=["GET"]),
        Route(f"{query}/why", service.guarded(why.why), methods=["GET"]),
        Route(f"{query}/copy", service.guarded(why.picture("copy")), methods=["GET"]),
        Route(f"{query}/difference", service.guarded(why.picture("difference")), methods=["GET"]),
        *v1.routes(service),
        *metrics.routes(service.open_database),
    ]
