//! Test tools: namespace lab, fakes, clients.
