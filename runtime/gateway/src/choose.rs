use http::StatusCode;
use parking_lot::Mutex;
use switchyard_host::routing::{self, CANDIDATES_MAX, Candidate};

use crate::{
    decide::Asked,
    route::{Member, Route},
};

/// Backends that one decision names: the first is tried, the others are there for a retry.
const CHOICES_MAX: usize = 3;

/// Where a request goes: positions among the route's backends, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    order: [usize; CHOICES_MAX],
    len: usize,
    /// No backend was healthy, so all were taken into account: a wrong check must not close a route.
    pub(crate) all_unhealthy: bool,
}

impl Choice {
    pub(crate) fn order(&self) -> &[usize] {
        self.order.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, position: usize) {
        if let Some(place) = self.order.get_mut(self.len) {
            *place = position;
            self.len += 1;
        }
    }
}

/// The one place where it is decided where a request goes, or with which status it is refused. Returns the shard that was
/// asked too.
pub(crate) fn choose(route: &Route, asked: &Asked<'_>) -> (usize, Result<Choice, StatusCode>) {
    let fallback = || route.chooser.choose(&route.members);
    if !route.decider.is_active() {
        return (0, Ok(fallback()));
    }
    let (candidates, all_unhealthy) = candidates(&route.members);
    let shard = route.decider.shard(asked);
    let decision = route.decider.pick(shard, asked, &candidates, |choice| match choice {
        Some(routing::Choice::Order(numbers)) => Ok(ordered(&route.members, numbers, all_unhealthy)),
        Some(routing::Choice::Refuse(status)) => {
            Err(StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE))
        }
        None => Ok(fallback()),
    });
    (shard, decision)
}

/// The healthy ones, or all where none is; and whether none is. Health is read once: it may change meanwhile, and a strategy
/// is never asked about nobody.
fn candidates(members: &[Member]) -> (Vec<Candidate>, bool) {
    let candidate =
        |member: &Member| Candidate { backend: member.backend.number, in_flight: member.backend.in_flight() };
    let healthy = members.iter().filter(|member| member.backend.is_healthy());
    let candidates: Vec<Candidate> = healthy.take(CANDIDATES_MAX).map(candidate).collect();
    if candidates.is_empty() {
        return (members.iter().take(CANDIDATES_MAX).map(candidate).collect(), true);
    }
    (candidates, false)
}

fn ordered(members: &[Member], numbers: &[u32], all_unhealthy: bool) -> Choice {
    let mut choice = Choice { order: [0; CHOICES_MAX], len: 0, all_unhealthy };
    let position = |number: &u32| members.iter().position(|member| member.backend.number == *number);
    numbers.iter().filter_map(position).for_each(|position| choice.push(position));
    choice
}

/// Round robin over the healthy backends by their weights, spread smoothly: nginx's algorithm
/// (`ngx_http_upstream_get_peer`). With weights 5, 1, 1 it gives a a b a c a a.
#[derive(Debug)]
pub(crate) struct Chooser {
    /// What each backend is owed.
    credits: Mutex<Vec<i64>>,
}

impl Chooser {
    pub(crate) fn new(members: usize) -> Self {
        Self { credits: Mutex::new(vec![0; members]) }
    }

    pub(crate) fn choose(&self, members: &[Member]) -> Choice {
        let all_unhealthy = !members.iter().any(|member| member.backend.is_healthy());
        let mut choice = Choice { order: [0; CHOICES_MAX], len: 0, all_unhealthy };
        let eligible = |member: &Member| all_unhealthy || member.backend.is_healthy();
        let mut credits = self.credits.lock();
        let mut total = 0;
        for (member, credit) in members.iter().zip(credits.iter_mut()).filter(|(member, _)| eligible(member)) {
            *credit += i64::from(member.weight);
            total += i64::from(member.weight);
        }
        while choice.len < CHOICES_MAX {
            let open = members.iter().zip(credits.iter()).enumerate();
            let open = open.filter(|(at, (member, _))| eligible(member) && !choice.order().contains(at));
            // The first of equals, as `max_by_key` gives the last.
            let Some((best, _)) = open.rev().max_by_key(|(_, (_, credit))| **credit) else { break };
            choice.push(best);
        }
        if choice.len == 0 {
            // The last healthy one fell while this was decided.
            choice.push(0);
        }
        if let Some(credit) = choice.order().first().and_then(|first| credits.get_mut(*first)) {
            *credit -= total;
        }
        choice
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use switchyard_types::route::RouteSpec;

    use crate::{backend::Backend, clock::Clock};

    fn members(weights: &[u32]) -> Vec<Member> {
        let backends: Vec<String> =
            (0..weights.len()).map(|n| format!(r#"{{"name":"{n}","address":"h:1"}}"#)).collect();
        let text = format!(r#"{{"backends":[{}]}}"#, backends.join(","));
        let route: RouteSpec = serde_json::from_str(&text).expect("a route");
        let decider = crate::decide::Decider::new(&crate::decide::deciding_for_test());
        let new = |(number, weight): (usize, &u32)| {
            let backend = Backend::new(&route, &route.backends[number], number as u32, &decider, Clock::new());
            Member { backend: Arc::new(backend), weight: *weight }
        };
        weights.iter().enumerate().map(new).collect()
    }

    fn firsts(chooser: &Chooser, members: &[Member], count: usize) -> Vec<usize> {
        (0..count).map(|_| chooser.choose(members).order()[0]).collect()
    }

    #[test]
    fn weights_are_spread_smoothly() {
        let members = members(&[5, 1, 1]);
        let chooser = Chooser::new(3);
        assert_eq!(firsts(&chooser, &members, 14), [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
    }

    proptest::proptest! {
        #[test]
        fn everybody_gets_its_share(weights in proptest::collection::vec(1_u32..20, 1..8)) {
            let members = members(&weights);
            let chooser = Chooser::new(weights.len());
            let round: u32 = weights.iter().sum();
            let firsts = firsts(&chooser, &members, 3 * round as usize);
            for (position, weight) in weights.iter().enumerate() {
                let got = firsts.iter().filter(|first| **first == position).count();
                proptest::prop_assert_eq!(got, 3 * *weight as usize);
            }
        }
    }

    #[test]
    fn a_choice_names_three_different_ones_at_most() {
        for count in 1..6 {
            let members = members(&vec![1; count]);
            let chooser = Chooser::new(count);
            for _ in 0..10 {
                let choice = chooser.choose(&members);
                let mut order = choice.order().to_vec();
                assert_eq!(order.len(), count.min(CHOICES_MAX));
                order.sort_unstable();
                order.dedup();
                assert_eq!(order.len(), count.min(CHOICES_MAX));
            }
        }
    }

    #[test]
    fn unhealthy_ones_are_left_out_until_there_is_no_other() {
        let members = members(&[1, 1, 1]);
        let chooser = Chooser::new(3);
        let fall = |at: usize| (0..3).for_each(|_| members[at].backend.connect_failed());
        fall(1);
        assert_eq!(firsts(&chooser, &members, 4), [0, 2, 0, 2]);
        assert!(!chooser.choose(&members).order().contains(&1));
        fall(0);
        fall(2);
        let choice = chooser.choose(&members);
        assert!(choice.all_unhealthy && choice.order().len() == 3);
        let (all, all_unhealthy) = candidates(&members);
        assert!(all_unhealthy && all.len() == 3);
    }
}
