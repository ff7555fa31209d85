"""Is it still right: window → quality → drift → performance → verdict → report."""
