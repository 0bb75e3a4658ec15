//! The caching strategy caching-lru.
