//! The name plane: listeners around one decision.
