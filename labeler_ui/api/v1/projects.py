"""Who am I, and which projects are there."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from db import projects
from db.records import Project
from labeler_ui.api.v1.entry import ApiCall, json_answer


def me(call: ApiCall) -> Response:
    """Say whose token this is."""
    role = call.actor.role
    user = {"id": call.actor.user_id, "name": call.actor.name, "role": role.name if role else None}
    return json_answer({"user": user, "project_id": call.holder.project_id})


def listed(call: ApiCall) -> Response:
    """List the projects that the token opens."""
    only = call.holder.project_id
    found = projects.list_projects(call.database, call.actor)
    return json_answer({"projects": [project_json(item) for item in found if only in (None, item.id)]})


def one(call: ApiCall) -> Response:
    """Show one project."""
    return json_answer(project_json(projects.get_project(call.database, call.actor, call.project_id)))


def project_json(project: Project) -> dict[str, Any]:
    """Return what a program needs to know to label in a project."""
    classes = [
        {"id": item.id, "name": item.name, "position": item.position, "key": item.key} for item in project.classes
    ]
    return {
        "id": project.id,
        "name": project.name,
        "state": project.state,
        "classes": classes,
        "guidelines": project.guidelines,
        "overlap": project.overlap,
        "strategy": project.strategy,
        "image_size": project.image_size,
        "created_at": project.created_at,
    }
