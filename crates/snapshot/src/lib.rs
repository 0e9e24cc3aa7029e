//! The built world of one generation, and every decision taken on it.
