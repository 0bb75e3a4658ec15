//! The cache engine: a sharded table behind RESP.
