//! The admin API: registry of plugins, strategies, nodes.
