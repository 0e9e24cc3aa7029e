//! The IAM policy language: parse, check, compile, evaluate, with reasons.
