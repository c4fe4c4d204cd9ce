"""What the Compare page says, and which images it lays side by side; no store, no browser."""

from __future__ import annotations

import dataclasses

import pytest

from db.records.comparisons import ComparisonRun
from labeler_ui import compare_words as words
from labeler_ui import queried
from tests.labeler_ui.comparison_scene import ARMS, LABELS, SEEDS, SETTINGS, comparison, runs

IDS = range(100, 500)
RUNS = runs(IDS)


def run(state: str, *, arm: str = "dfal", seed: int = 0, note: str = "") -> ComparisonRun:
    return ComparisonRun(id=seed, arm=arm, seed=seed, state=state, note=note)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("running", "Running: 90 of 180"),
        ("stopped", "Stopped after 90 of 180 models. Nothing is lost"),
        ("failed", "Ended with a failure after 90 of 180"),
        ("done", "Done: 90 models"),
    ],
)
def test_every_state_is_a_sentence(state: str, said: str) -> None:
    assert said in words.state_words(comparison(state=state, points_done=90))


def test_the_list_tells_how_far_what_is_not_done_is() -> None:
    assert words.pick_words(comparison(state="running", points_done=45)) == "digits, lenet5 · 25 % done"
    assert words.pick_words(comparison()) == "digits, lenet5 · done"


def test_the_time_left_comes_from_what_was_just_done() -> None:
    assert words.time_left(60, 180, 50, 20.0) == "about 4 min left"
    assert words.time_left(60, 180, 60, 20.0) == ""  # nothing was made meanwhile: nobody can tell
    assert words.time_left(180, 180, 100, 20.0) == ""
    assert words.time_left(10, 13, 0, 0.0) == ""


def test_runs_at_work_are_named_and_counted() -> None:
    busy = [run("running", seed=seed) for seed in (2, 0)] + [run("running", arm="margin", seed=1)]
    assert words.at_work([*busy, run("waiting", seed=9)]) == "At work: dfal (seeds 0, 2), margin (seed 1)"
    many = [run("running", arm=f"arm{number}") for number in range(6)]
    assert words.at_work(many).endswith("and 2 more")
    assert words.at_work([run("done")]) == ""


def test_one_reason_that_hit_many_runs_is_said_once() -> None:
    failed = [run("failed", seed=seed, note="the GPU is out of memory\nTraceback ...") for seed in range(6)]
    said = words.failures([*failed, run("failed", arm="egl", note=""), run("done", arm="bald")])
    assert len(said) == 2
    assert "and 2 more failed: the GPU is out of memory." in said[0]
    assert "Traceback" not in said[0]
    assert said[1] == "egl (seed 0) failed: no reason was kept."


def test_the_table_of_runs_counts_models_and_states() -> None:
    some = [dataclasses.replace(RUNS[0], state="running", points=RUNS[0].points[:2]), *RUNS[1:5], run("waiting")]
    first, second = words.run_table(some, 6 * len(LABELS))
    assert first == {
        "Strategy": ARMS[0], "Models": "26 of 30", "Seeds done": 4, "At work": 1, "Waiting": 0, "Failed": 0
    }  # fmt: skip
    assert (second["Waiting"], second["Models"]) == (1, "0 of 6")


def test_settings_are_told_in_order_and_nothing_is_left_out() -> None:
    rows = words.settings_table({**SETTINGS, "mystery": 3.5})
    assert [row["Setting"] for row in rows[:3]] == ["Data", "Strategies", "Model that asks"]
    assert rows[-1] == {"Setting": "mystery", "Value": "3.5"}
    assert {"Setting": "Seeds", "Value": "0 to 4"} in rows
    assert {"Setting": "Imbalance", "Value": "–"} in rows


def test_the_command_repeats_the_settings_and_leaves_out_what_is_usual() -> None:
    typed = words.command({**SETTINGS, "strategies": ["dfal", "margin+copies"], "transfer": ["lenet5", "vgg8"]})
    assert typed.startswith("borderline compare --dataset digits --strategies dfal,margin+copies --model lenet5")
    assert "--seeds 5" in typed
    assert "--transfer lenet5:vgg8" in typed
    assert "--recipe" not in typed
    assert "--seeds 2 --seed-start 3" in words.command({**SETTINGS, "seeds": [3, 4]})
    assert words.command({"dataset": "my pictures; rm x"}) == "borderline compare --dataset 'my pictures; rm x'"
    assert words.command(SETTINGS, {"command": "borderline compare --dataset x"}) == "borderline compare --dataset x"


def test_arms_of_a_seed_share_the_seed_set_and_what_both_asked_is_marked() -> None:
    chosen = ("margin", "dfal")
    classes = {sample: f"class {sample % 10}" for sample in IDS}
    for turn, whole in ((0, True), (1, False)):
        left, right = queried.strips(queried.asked(RUNS, chosen, 0, turn), classes)
        both = {tile["sample"] for tile in left["tiles"]} & {tile["sample"] for tile in right["tiles"]}
        marked = {tile["sample"] for tile in left["tiles"] if tile["note"]}
        assert marked == both
        assert (len(both) == len(left["tiles"])) is whole
    assert left["tiles"][0]["alt"].endswith("asked as number 1 by margin") or left["tiles"][0]["note"]
    assert left["tiles"][0]["caption"].startswith("class ")


def test_arms_that_are_not_so_far_are_left_out() -> None:
    short = [dataclasses.replace(entry, points=entry.points[:2]) if entry.arm == "dfal" else entry for entry in RUNS]
    assert list(queried.asked(short, ("margin", "dfal"), 0, 3)) == ["margin"]
    assert queried.rounds_of(short, ("margin", "dfal"), 0) == len(LABELS)
    assert queried.rounds_of(short, ("dfal",), 0) == 2
    assert queried.seeds_of(short, ("dfal",)) == list(SEEDS)


def test_a_large_batch_shows_its_first_images_and_says_so() -> None:
    wide = dataclasses.replace(RUNS[0].points[0], queried=tuple(range(100)))
    [strip] = queried.strips({"dfal": wide}, {})
    assert len(strip["tiles"]) == queried.MOST_TILES
    assert "100 images" in strip["detail"]
    assert f"the first {queried.MOST_TILES} are shown" in strip["detail"]
