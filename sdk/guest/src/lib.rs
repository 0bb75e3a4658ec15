//! What the author of a Switchyard plugin imports.
