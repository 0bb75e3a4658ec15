//! The pure planner: from documents to what a node runs.
