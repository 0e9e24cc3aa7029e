//! What planes share: loop, status, sockets inside a namespace.
