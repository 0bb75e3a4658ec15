//! The caching strategy caching-s3fifo.
