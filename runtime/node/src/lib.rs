//! The node agent: reconciles desired state into running strategies.
