"""The application: command line, configuration, plan, runner, ledger."""
