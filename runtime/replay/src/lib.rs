//! Recorded traces through a strategy, by the engine's own code.
