use std::{cmp::Reverse, collections::BinaryHeap};

/// Nanoseconds: whole numbers can be ordered.
const NS_PER_SECOND: f64 = 1e9;

/// A request that has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) server: u32,
    pub(super) response_us: u32,
}

/// Servers that work off their requests one by one, in the order of arrival.
pub(super) struct Servers {
    /// When each has nothing more to do, in seconds.
    free_at: Vec<f64>,
    /// When each request ends, with its server and its response time in microseconds; the next one first.
    ends: BinaryHeap<Reverse<(u64, u32, u32)>>,
}

impl Servers {
    pub(super) fn new(servers: usize) -> Self {
        Self { free_at: vec![0.0; servers], ends: BinaryHeap::new() }
    }

    /// A server gets a request. Returns its response time, in seconds.
    pub(super) fn serve(&mut self, server: u32, at: f64, service: f64) -> f64 {
        let Some(free_at) = self.free_at.get_mut(server as usize) else { return 0.0 };
        *free_at = free_at.max(at) + service;
        let response = *free_at - at;
        let ends = (*free_at * NS_PER_SECOND) as u64;
        self.ends.push(Reverse((ends, server, (response * 1e6) as u32)));
        response
    }

    /// What has ended by then, in order.
    pub(super) fn end_until(&mut self, at: f64) -> Vec<Ended> {
        let mut ended = Vec::new();
        while let Some(Reverse((ends, server, response_us))) = self.ends.peek().copied()
            && ends as f64 <= at * NS_PER_SECOND
        {
            self.ends.pop();
            ended.push(Ended { server, response_us });
        }
        ended
    }
}
