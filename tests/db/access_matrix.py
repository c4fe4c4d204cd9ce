"""Every function of db that takes an actor, with the least role that it needs and a call of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from db import (
    access,
    accounts,
    annotations,
    api_tokens,
    audit,
    claims,
    classes,
    commands,
    comparison_log,
    comparisons,
    copies,
    deliveries,
    exchange,
    export,
    gold,
    gold_draw,
    grid,
    holdout,
    imports,
    invitations,
    jobs,
    labels,
    members,
    model_choices,
    model_versions,
    progress,
    projects,
    pseudo_labels,
    quality,
    review,
    rounds,
    samples,
    schedules,
    sessions,
    snapshot,
    stopping,
    webhooks,
    why,
)
from db.records import Actor, Answer, GivenLabels, NewModelVersion, NewQueue, ProjectSpec, Role, Schedule
from tests.db.comparing import compared, first_run, new_comparison, point
from tests.db.scenes import Scene, new_file, new_samples, new_shard

Call = Callable[[Scene, Actor], Any]


_ID = str(uuid.UUID(int=1))


_HOOK = "https://example.org/hook"


_SPEC = ProjectSpec(name="new", classes=("a", "b"))


_MODEL = NewModelVersion(file=new_file("m"), architecture="a", recipe="r", strategy="s", seed=0, labels_used=0)


def _answer() -> Answer:
    return Answer(answer_id=_ID, query_id=1, token=1, outcome="skip")


def scheduled(scene: Scene) -> Schedule:
    """Let the scene's project retrain every day."""
    return schedules.put(scene.database, scene.ada, scene.id, seconds=86_400)


MATRIX: dict[str, tuple[Role, Call]] = {
    "access.users": (Role.administrator, lambda s, a: access.users(s.database, a)),
    "access.add_user": (Role.administrator, lambda s, a: access.add_user(s.database, a, "new")),
    "access.set_active": (Role.administrator, lambda s, a: access.set_active(s.database, a, 1, True)),
    "access.add_member": (Role.administrator, lambda s, a: access.add_member(s.database, a, s.id, 1, Role.viewer)),
    "access.role_in": (Role.viewer, lambda s, a: access.role_in(s.database, a, s.id)),
    "access.set_role": (Role.administrator, lambda s, a: access.set_role(s.database, a, 1, Role.viewer)),
    "accounts.list_accounts": (Role.administrator, lambda s, a: accounts.list_accounts(s.database, a)),
    "annotations.submit": (Role.annotator, lambda s, a: annotations.submit(s.database, a, s.id, _answer())),
    "annotations.undo": (Role.annotator, lambda s, a: annotations.undo(s.database, a, s.id, _ID, _ID)),
    "annotations.recent": (Role.annotator, lambda s, a: annotations.recent(s.database, a, s.id)),
    "api_tokens.create": (Role.administrator, lambda s, a: api_tokens.create(s.database, a, 1, "theirs")),
    "api_tokens.listed": (Role.administrator, lambda s, a: api_tokens.listed(s.database, a)),
    "api_tokens.revoke": (Role.administrator, lambda s, a: api_tokens.revoke(s.database, a, 1)),
    "audit.entries": (Role.administrator, lambda s, a: list(audit.entries(s.database, a, s.id))),
    "claims.claim": (Role.annotator, lambda s, a: claims.claim(s.database, a, s.id, 1)),
    "claims.renew": (Role.annotator, lambda s, a: claims.renew(s.database, a, s.id, [(1, 1)])),
    "claims.free_now": (Role.annotator, lambda s, a: claims.free_now(s.database, a, s.id, 1)),
    "claims.release": (Role.annotator, lambda s, a: claims.release(s.database, a, s.id, [1])),
    "claims.waiting": (Role.annotator, lambda s, a: claims.waiting(s.database, a, s.id)),
    "classes.add": (Role.administrator, lambda s, a: classes.add(s.database, a, s.id, "elk")),
    "classes.rename": (Role.administrator, lambda s, a: classes.rename(s.database, a, s.id, s.cls(), "x")),
    "classes.set_key": (Role.administrator, lambda s, a: classes.set_key(s.database, a, s.id, s.cls(), "9")),
    "classes.merge": (Role.administrator, lambda s, a: classes.merge(s.database, a, s.id, s.cls(), s.cls("dog"))),
    "classes.remove": (Role.administrator, lambda s, a: classes.remove(s.database, a, s.id, s.cls())),
    "classes.usage": (Role.viewer, lambda s, a: classes.usage(s.database, a, s.id, s.cls())),
    "classes.usages": (Role.viewer, lambda s, a: classes.usages(s.database, a, s.id)),
    "commands.post": (Role.administrator, lambda s, a: commands.post(s.database, a, s.id, "start", {}, "k")),
    "commands.recent": (Role.viewer, lambda s, a: commands.recent(s.database, a, s.id)),
    "comparisons.start_or_find": (
        Role.administrator,
        lambda s, a: comparisons.start_or_find(s.database, a, s.id, new_comparison()),
    ),
    "comparisons.get": (Role.viewer, lambda s, a: comparisons.get(s.database, a, compared(s).id)),
    "comparisons.list_comparisons": (Role.viewer, lambda s, a: comparisons.list_comparisons(s.database, a, s.id)),
    "comparisons.runs": (Role.viewer, lambda s, a: comparisons.runs(s.database, a, compared(s).id)),
    "comparisons.files_of": (Role.viewer, lambda s, a: comparisons.files_of(s.database, a, compared(s).id)),
    "comparisons.request_stop": (
        Role.administrator,
        lambda s, a: comparisons.request_stop(s.database, a, compared(s).id),
    ),
    "comparisons.delete": (Role.administrator, lambda s, a: comparisons.delete(s.database, a, compared(s).id)),
    "comparison_log.record_point": (
        Role.administrator,
        lambda s, a: comparison_log.record_point(s.database, a, first_run(s), point(20)),
    ),
    "comparison_log.set_run_state": (
        Role.administrator,
        lambda s, a: comparison_log.set_run_state(s.database, a, first_run(s), "done"),
    ),
    "comparison_log.set_state": (
        Role.administrator,
        lambda s, a: comparison_log.set_state(s.database, a, compared(s).id, "done"),
    ),
    "comparison_log.add_about": (
        Role.administrator,
        lambda s, a: comparison_log.add_about(s.database, a, compared(s).id, {}),
    ),
    "comparison_log.record_file": (
        Role.administrator,
        lambda s, a: comparison_log.record_file(s.database, a, compared(s).id, "map", "all", new_file("map")),
    ),
    "copies.record_copies": (
        Role.administrator,
        lambda s, a: copies.record_copies(s.database, a, 1, new_file("c"), []),
    ),
    "gold.mark": (Role.reviewer, lambda s, a: gold.mark(s.database, a, s.id, 1, s.cls())),
    "gold.retire": (Role.reviewer, lambda s, a: gold.retire(s.database, a, s.id, 1)),
    "gold.listed": (Role.reviewer, lambda s, a: gold.listed(s.database, a, s.id)),
    "gold_draw.available": (Role.reviewer, lambda s, a: gold_draw.available(s.database, a, s.id)),
    "gold_draw.draw": (Role.reviewer, lambda s, a: gold_draw.draw(s.database, a, s.id, 1)),
    "grid.claim_group": (Role.annotator, lambda s, a: grid.claim_group(s.database, a, s.id)),
    "grid.tiles": (Role.annotator, lambda s, a: grid.tiles(s.database, a, s.id)),
    "exchange.export_file": (
        Role.reviewer,
        lambda s, a: exchange.export_file(s.database, a, s.id, out=s.database.home / "labels.csv"),
    ),
    "exchange.stream": (Role.reviewer, lambda s, a: exchange.stream(s.database, a, s.id)),
    "exchange.import_file": (
        Role.administrator,
        lambda s, a: exchange.import_file(s.database, a, s.id, s.database.home / "nothing.csv"),
    ),
    "export.labels": (Role.reviewer, lambda s, a: export.labels(s.database, a, s.id)),
    "export.votes": (Role.reviewer, lambda s, a: export.votes(s.database, a, s.id)),
    "export.tasks": (Role.reviewer, lambda s, a: export.tasks(s.database, a, s.id)),
    "export.pictures": (Role.reviewer, lambda s, a: export.pictures(s.database, a, s.id)),
    "export.class_names": (Role.reviewer, lambda s, a: export.class_names(s.database, a, s.id)),
    "holdout.pairs": (Role.viewer, lambda s, a: holdout.pairs(s.database, a, s.id, 1, 2)),
    "imports.import_labels": (
        Role.administrator,
        lambda s, a: imports.import_labels(s.database, a, s.id, GivenLabels(format="csv")),
    ),
    "invitations.invite": (
        Role.administrator,
        lambda s, a: invitations.invite(s.database, a, Role.annotator, project_id=s.id),
    ),
    "invitations.new_password": (Role.administrator, lambda s, a: invitations.new_password(s.database, a, 1)),
    "invitations.open_invitations": (Role.administrator, lambda s, a: invitations.open_invitations(s.database, a)),
    "invitations.withdraw": (Role.administrator, lambda s, a: invitations.withdraw(s.database, a, 1)),
    "deliveries.listed": (Role.administrator, lambda s, a: deliveries.listed(s.database, a, s.id, 1)),
    "jobs.begin": (Role.administrator, lambda s, a: jobs.begin(s.database, a, s.id, "round", "me")),
    "jobs.shown": (Role.viewer, lambda s, a: jobs.shown(s.database, a, s.id)),
    "jobs.request_cancel": (Role.administrator, lambda s, a: jobs.request_cancel(s.database, a, 1)),
    "labels.counts": (Role.viewer, lambda s, a: labels.counts(s.database, a, s.id)),
    "members.members": (Role.reviewer, lambda s, a: members.members(s.database, a, s.id)),
    "members.add": (Role.administrator, lambda s, a: members.add(s.database, a, s.id, "ada", Role.viewer)),
    "members.set_role": (Role.administrator, lambda s, a: members.set_role(s.database, a, s.id, 1, Role.viewer)),
    "members.set_state": (Role.administrator, lambda s, a: members.set_state(s.database, a, s.id, 1, "paused")),
    "members.remove": (Role.administrator, lambda s, a: members.remove(s.database, a, s.id, 1)),
    "members.standing_answers": (Role.administrator, lambda s, a: members.standing_answers(s.database, a, s.id, 1)),
    "model_choices.choose": (Role.administrator, lambda s, a: model_choices.choose(s.database, a, s.id, 1)),
    "model_choices.promote": (
        Role.administrator,
        lambda s, a: model_choices.promote(s.database, a, s.id, 1, "better", instead_of=None),
    ),
    "model_choices.choices": (Role.viewer, lambda s, a: model_choices.choices(s.database, a, s.id)),
    "model_choices.versions": (Role.viewer, lambda s, a: model_choices.versions(s.database, a, s.id)),
    "model_versions.record": (Role.administrator, lambda s, a: model_versions.record(s.database, a, s.id, _MODEL)),
    "model_versions.get": (Role.viewer, lambda s, a: model_versions.get(s.database, a, s.id, 1)),
    "model_versions.list_versions": (Role.viewer, lambda s, a: model_versions.list_versions(s.database, a, s.id)),
    "progress.standing": (Role.viewer, lambda s, a: progress.standing(s.database, a, s.id)),
    "progress.progress": (Role.viewer, lambda s, a: progress.progress(s.database, a, s.id)),
    "projects.create_project": (Role.administrator, lambda s, a: projects.create_project(s.database, a, _SPEC)),
    "projects.get_project": (Role.viewer, lambda s, a: projects.get_project(s.database, a, s.id)),
    "projects.list_projects": (Role.viewer, lambda s, a: projects.list_projects(s.database, a)),
    "projects.update_project": (Role.administrator, lambda s, a: projects.update_project(s.database, a, s.id, seed=1)),
    "projects.set_paused": (Role.administrator, lambda s, a: projects.set_paused(s.database, a, s.id, False)),
    "projects.delete_project": (Role.administrator, lambda s, a: projects.delete_project(s.database, a, s.id)),
    "pseudo_labels.record": (
        Role.administrator,
        lambda s, a: pseudo_labels.record(s.database, a, 1, new_file("p"), 1),
    ),
    "quality.votes": (Role.reviewer, lambda s, a: quality.votes(s.database, a, s.id)),
    "quality.truths": (Role.reviewer, lambda s, a: quality.truths(s.database, a, s.id)),
    "quality.team": (Role.reviewer, lambda s, a: quality.team(s.database, a, s.id)),
    "review.waiting": (Role.reviewer, lambda s, a: review.waiting(s.database, a, s.id)),
    "review.next_items": (Role.reviewer, lambda s, a: review.next_items(s.database, a, s.id)),
    "review.votes_of": (Role.reviewer, lambda s, a: review.votes_of(s.database, a, s.id, 1)),
    "review.ties": (Role.reviewer, lambda s, a: review.ties(s.database, a, s.id)),
    "review.decide": (Role.reviewer, lambda s, a: review.decide(s.database, a, s.id, _ID, 1, None)),
    "review.send_back": (Role.reviewer, lambda s, a: review.send_back(s.database, a, s.id, _ID, 1)),
    "review.decide_ties": (Role.administrator, lambda s, a: review.decide_ties(s.database, a, s.id, {1: 1}, {})),
    "rounds.begin_round": (Role.administrator, lambda s, a: rounds.begin_round(s.database, a, s.id)),
    "rounds.set_model": (Role.administrator, lambda s, a: rounds.set_model(s.database, a, 1, 1)),
    "rounds.enqueue": (
        Role.administrator,
        lambda s, a: rounds.enqueue(s.database, a, 1, NewQueue(queries=[], strategy="x")),
    ),
    "rounds.history": (Role.viewer, lambda s, a: rounds.history(s.database, a, s.id)),
    "samples.register_shard": (
        Role.administrator,
        lambda s, a: samples.register_shard(s.database, a, s.id, new_shard("x"), new_samples("x", 1), "use"),
    ),
    "samples.known_hashes": (Role.viewer, lambda s, a: samples.known_hashes(s.database, a, s.id, ["0" * 64])),
    "samples.label_known": (
        Role.administrator,
        lambda s, a: samples.label_known(s.database, a, s.id, [("0" * 64, "cat")]),
    ),
    "samples.draw_holdout": (Role.administrator, lambda s, a: samples.draw_holdout(s.database, a, s.id)),
    "samples.display_of": (Role.viewer, lambda s, a: samples.display_of(s.database, a, s.id, 1)),
    "samples.delete_sample": (Role.reviewer, lambda s, a: samples.delete_sample(s.database, a, s.id, 1)),
    "snapshot.save": (
        Role.administrator,
        lambda s, a: snapshot.save(s.database, a, s.database.home / f"{uuid.uuid4()}.db"),
    ),
    "schedules.put": (Role.administrator, lambda s, a: schedules.put(s.database, a, s.id, seconds=60)),
    "schedules.switch": (Role.administrator, lambda s, a: schedules.switch(s.database, a, scheduled(s).id, False)),
    "schedules.remove": (Role.administrator, lambda s, a: schedules.remove(s.database, a, scheduled(s).id)),
    "schedules.of_project": (Role.viewer, lambda s, a: schedules.of_project(s.database, a, s.id)),
    "schedules.everywhere": (Role.administrator, lambda s, a: schedules.everywhere(s.database, a)),
    "why.why": (Role.annotator, lambda s, a: why.why(s.database, a, s.id, 1)),
    "why.picture_of": (Role.annotator, lambda s, a: why.picture_of(s.database, a, s.id, 1, "copy")),
    "why.record_pictures": (Role.administrator, lambda s, a: why.record_pictures(s.database, a, 1, new_file("w"))),
    "sessions.end_all": (Role.administrator, lambda s, a: sessions.end_all(s.database, a, 1)),
    "stopping.facts": (Role.viewer, lambda s, a: stopping.facts(s.database, a, s.id)),
    "webhooks.add": (Role.administrator, lambda s, a: webhooks.add(s.database, a, s.id, _HOOK, webhooks.TOPICS)),
    "webhooks.listed": (Role.administrator, lambda s, a: webhooks.listed(s.database, a, s.id)),
    "webhooks.remove": (Role.administrator, lambda s, a: webhooks.remove(s.database, a, s.id, 1)),
    "webhooks.test": (Role.administrator, lambda s, a: webhooks.test(s.database, a, s.id, 1)),
}


GLOBAL = {  # need the role everywhere
    "access.add_user",
    "access.set_active",
    "access.set_role",
    "access.users",
    "accounts.list_accounts",
    "invitations.new_password",
    "invitations.open_invitations",
    "invitations.withdraw",
    "projects.create_project",
    "schedules.everywhere",
    "sessions.end_all",
    "snapshot.save",
    "api_tokens.create",
    "api_tokens.listed",
    "api_tokens.revoke",
}
