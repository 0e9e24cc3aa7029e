//! The network plane: render, observe, plan, apply, verify.
