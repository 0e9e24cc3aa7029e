//! The S3 front door: TLS, authenticate, decide, stream.
