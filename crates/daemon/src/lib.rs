//! The adit daemon: configuration, wiring, listeners, signals.
