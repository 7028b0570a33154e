"""Can it be trusted? Doctor and backtest."""
