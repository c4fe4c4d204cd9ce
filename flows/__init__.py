"""Where pipeline and db meet: Prefect flows, plain functions behind them, and the command line."""
