"""``borderline up`` and ``borderline demo``: everything on one machine, from one terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from flows.cli.console import say

Port = Annotated[int | None, typer.Option("--port", help="Port of the labeling page (default 8501).", min=1, max=65535)]
PrefectPort = Annotated[
    int | None, typer.Option("--prefect-port", help="Port of the Prefect server (default 4200 or any free one).")
]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser where there is one.")]


def register_services(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command("up", rich_help_panel="Run it")
    def up_command(port: Port = None, prefect_port: PrefectPort = None, browser: Browser = True) -> None:
        """Start the labeling page, the flow runner and the Prefect server; Ctrl-C stops them.

        Rounds run by themselves from now on: when a round's answers are in, the model is retrained,
        the pool is ranked and the next queries appear on the page. What a killed run left behind is taken over.
        """
        run_up(port, prefect_port, browser)

    @app.command("demo", rich_help_panel="Run it")
    def demo_command(
        port: Port = None, prefect_port: PrefectPort = None, browser: Browser = True, project: str = "digits"
    ) -> None:
        """Make a project of handwritten digits, train and rank once, then start everything.

        The digits come with scikit-learn: no download. Their classes are hidden but for twenty; the rest is yours
        to label, the ones the model is least sure of first.
        """
        from flows.demo import prepare_demo

        run_up(port, prefect_port, browser, prepare=lambda: prepare_demo(project, say), query=f"?project={project}")


def run_up(
    port: int | None,
    prefect_port: int | None,
    browser: bool,
    prepare: Callable[[], None] | None = None,
    query: str = "",
) -> None:
    """Run everything until asked to stop."""
    from flows.settings import Settings
    from flows.up import up

    asked: dict[str, Any] = {"port": port, "prefect_port": prefect_port}
    settings = Settings(**{name: value for name, value in asked.items() if value is not None})

    def ready(address: str) -> None:
        say(f"\nThe labeling page is open at {address}/{query}")
        say("Press a number key for what you see; the next image is there at once. Ctrl-C here stops everything.\n")
        if browser:
            _open_browser(f"{address}/{query}")

    up(settings, on_ready=ready, on_news=say, prepare=prepare)


def _open_browser(address: str) -> None:
    import os
    import sys
    import webbrowser

    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)
