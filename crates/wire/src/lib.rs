//! AWS on the wire: protocol codecs, SigV4, S3 addressing and operation recognition.
