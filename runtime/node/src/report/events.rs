use std::collections::BTreeMap;

use switchyard_types::{Event, EventKind, NodeRoute, NodeStatus, SlotFailure, SlotStatus, SlotVersion};

/// What must have happened between two statuses of one node. No part of the node has to know of events for that; what happens
/// and is undone between two looks is not seen. None before: the node has just started.
pub(crate) fn events(before: Option<&NodeStatus>, after: &NodeStatus) -> Vec<Event> {
    let mut events = followed(before, after);
    let slots: BTreeMap<_, _> = before.iter().flat_map(|status| &status.slots).map(|slot| (&slot.slot, slot)).collect();
    for slot in &after.slots {
        events.extend(of_slot(slots.get(&slot.slot).copied(), slot, after.at_unix_ms));
    }
    let routes: BTreeMap<_, _> =
        before.iter().flat_map(|status| &status.routes).map(|route| (&route.name, route)).collect();
    for route in &after.routes {
        events.extend(of_route(routes.get(&route.name).copied(), route, after.at_unix_ms));
    }
    events
}

fn followed(before: Option<&NodeStatus>, after: &NodeStatus) -> Vec<Event> {
    let refused = before.and_then(|status| status.not_followed.as_ref());
    let event = match &after.not_followed {
        Some(reason) if refused != Some(reason) => Event::new(EventKind::NotFollowed, after.at_unix_ms, reason),
        None if refused.is_some() => {
            let message = format!("generation {} of the store is followed", after.generation);
            Event::new(EventKind::Followed, after.at_unix_ms, message)
        }
        _ => return Vec::new(),
    };
    vec![Event { generation: Some(after.generation), ..event }]
}

fn of_slot(before: Option<&SlotStatus>, after: &SlotStatus, at_unix_ms: u64) -> Vec<Event> {
    let about = |kind, version: Option<&SlotVersion>, message: String| Event {
        slot: Some(after.slot.clone()),
        strategy: version.map(|version| version.strategy.clone()),
        generation: version.map(|version| version.generation),
        digest: version.map(|version| version.digest),
        ..Event::new(kind, at_unix_ms, message)
    };
    let mut events = Vec::new();
    if has_flipped(before, after) {
        let version = after.active.as_ref().or(before.and_then(|slot| slot.active.as_ref()));
        events.push(about(EventKind::Flipped, version, flip_message(after)));
    }
    let failed_before = before.and_then(|slot| slot.last_failure.as_ref());
    match (failed_before, &after.last_failure) {
        (before, Some(now)) if before.is_none_or(|before| !is_same(before, now)) => {
            let message = format!("{}; {}", now.failure.reason, now.outlook(at_unix_ms));
            let refused = about(EventKind::Refused, Some(&now.version), message);
            events.push(Event { stage: Some(now.failure.stage), ..refused });
        }
        (Some(before), None) => {
            let message = format!("that it was refused at {} counts no longer", before.failure.stage);
            let cleared = about(EventKind::Cleared, Some(&before.version), message);
            events.push(Event { stage: Some(before.failure.stage), ..cleared });
        }
        _ => {}
    }
    if let Some((kind, message)) = quarantine(before, after) {
        events.push(about(kind, after.active.as_ref(), message));
    }
    if before.is_some_and(|before| before.last_healthy != after.last_healthy)
        && after.last_healthy.is_some()
        && after.last_healthy == after.active
    {
        events.push(about(EventKind::Healthy, after.active.as_ref(), "it has shown that it runs well".to_owned()));
    }
    events
}

/// A version that is only named anew, by another generation, has not flipped.
fn has_flipped(before: Option<&SlotStatus>, after: &SlotStatus) -> bool {
    match before {
        None => after.active.is_some(),
        Some(before) => {
            let came_or_went = before.active.is_some() != after.active.is_some();
            before.active != after.active && (came_or_went || before.flips != after.flips)
        }
    }
}

fn flip_message(slot: &SlotStatus) -> String {
    if slot.active.is_none() {
        return "the built-in fallback decides".to_owned();
    }
    let plugin = slot.plugin.as_ref().map(|(name, version)| format!(": {name}@{version}")).unwrap_or_default();
    let took = slot.flip_ms.map(|ms| format!(", decisions stood still for {ms:.3} ms")).unwrap_or_default();
    format!("it decides{plugin}{took}")
}

/// The same refusal at a later try is no news.
fn is_same(one: &SlotFailure, two: &SlotFailure) -> bool {
    one.version == two.version && one.failure == two.failure
}

fn quarantine(before: Option<&SlotStatus>, after: &SlotStatus) -> Option<(EventKind, String)> {
    let (was, is) = (before.map_or(0, |slot| slot.shards.quarantined), after.shards.quarantined);
    if was == 0 && is > 0 {
        let message = format!("it failed too often: the built-in fallback decides in {is} shards");
        return Some((EventKind::Quarantined, message));
    }
    let stayed = after.active.is_some() && before.is_some_and(|before| before.active == after.active);
    (was > 0 && is == 0 && stayed).then(|| (EventKind::Resumed, "it decides again".to_owned()))
}

fn of_route(before: Option<&NodeRoute>, after: &NodeRoute, at_unix_ms: u64) -> Option<Event> {
    let failed = |route: &NodeRoute| route.failure.as_ref().map(|failure| (route.received, failure.reason.clone()));
    let (was, is) = (before.and_then(failed), failed(after));
    let (kind, message) = match is {
        Some((_, ref reason)) if was != is => (EventKind::RouteRefused, reason.clone()),
        None if was.is_some() => (EventKind::RouteTaken, "it is as it was declared".to_owned()),
        _ => return None,
    };
    let (route, generation) = (Some(after.name.clone()), after.received);
    Some(Event { route, generation, ..Event::new(kind, at_unix_ms, message) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use switchyard_types::{Digest, ShardFigures};

    use super::*;

    /// A status whose only slot and route are these, beside what is the same in all of them.
    fn status(node: Value, slot: Value, route: Value) -> NodeStatus {
        let merged = |mut whole: Value, part: Value| {
            whole.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
            whole
        };
        let whole_slot = json!({
            "slot": {"kind": "caching"}, "received": null, "staged": null, "active": null, "last_healthy": null,
            "last_failure": null, "plugin": null, "flip_ms": null, "flips": 0, "shards": ShardFigures::default(),
        });
        let whole_route = json!({"name": "shop", "received": generation(1), "active": null, "failure": null});
        let whole = json!({
            "node": "node-1", "generation": generation(1), "live_generations": 1, "live_instances": 2, "live_bytes": 3,
            "resident_bytes": 4, "at_unix_ms": 5, "slots": [merged(whole_slot, slot)],
            "routes": [merged(whole_route, route)],
        });
        serde_json::from_value(merged(whole, node)).unwrap()
    }

    fn generation(counter: u64) -> Value {
        json!({"epoch": 0, "counter": counter})
    }

    fn version(counter: u64) -> Value {
        json!({"strategy": "sessions", "generation": generation(counter), "digest": Digest::of(b"plugin")})
    }

    fn failure(counter: u64, reason: &str, at_unix_ms: u64) -> Value {
        json!({"version": version(counter), "stage": "link", "reason": reason, "at_unix_ms": at_unix_ms})
    }

    fn quarantined(shards: u32) -> ShardFigures {
        ShardFigures { quarantined: shards, ..ShardFigures::default() }
    }

    fn kinds(before: Option<&NodeStatus>, after: &NodeStatus) -> Vec<&'static str> {
        events(before, after).iter().map(|event| event.kind.as_str()).collect()
    }

    #[track_caller]
    fn check_slot(before: Value, after: Value, expected: &[&str]) {
        let [before, after] = [before, after].map(|slot| status(json!({}), slot, json!({})));
        assert_eq!(kinds(Some(&before), &after), expected);
        assert_eq!(kinds(Some(&after), &after), [""; 0], "nothing happened");
    }

    #[test]
    fn what_happened_in_a_slot_is_seen_by_comparing() {
        let none = || json!({});
        let active = |counter, flips| json!({"active": version(counter), "flips": flips});
        check_slot(none(), none(), &[]);
        check_slot(none(), active(1, 1), &["flipped"]);
        check_slot(active(1, 1), active(2, 2), &["flipped"]);
        check_slot(active(1, 1), active(2, 1), &[]);
        check_slot(active(1, 1), none(), &["flipped"]);
        check_slot(active(1, 1), active(1, 2), &[]);

        let failed = |counter, reason, at| json!({"last_failure": failure(counter, reason, at)});
        check_slot(none(), failed(1, "a", 5), &["refused"]);
        check_slot(failed(1, "a", 5), failed(1, "a", 6), &[]);
        check_slot(failed(1, "a", 5), failed(1, "b", 5), &["refused"]);
        check_slot(failed(1, "a", 5), failed(2, "a", 5), &["refused"]);
        check_slot(failed(1, "a", 5), none(), &["cleared"]);

        let with = |counter, shards| json!({"active": version(counter), "shards": quarantined(shards)});
        check_slot(with(1, 0), with(1, 2), &["quarantined"]);
        check_slot(with(1, 2), with(1, 1), &[]);
        check_slot(with(1, 2), with(1, 0), &["resumed"]);
        check_slot(with(1, 2), json!({"active": version(2), "flips": 1}), &["flipped"]);

        let healthy = |active, healthy| json!({"active": version(active), "last_healthy": version(healthy)});
        check_slot(active(1, 0), healthy(1, 1), &["healthy"]);
        check_slot(healthy(1, 1), healthy(2, 2), &["healthy"]);
        check_slot(healthy(2, 1), none(), &["flipped"]);
        check_slot(json!({"last_failure": failure(1, "a", 5)}), active(1, 1), &["flipped", "cleared"]);
    }

    #[test]
    fn what_happened_to_the_node_and_its_routes_is_seen_too() {
        let node = |not_followed: Value| status(json!({"not_followed": not_followed}), json!({}), json!({}));
        let (fine, a, b) = (node(Value::Null), node(json!("a")), node(json!("b")));
        assert_eq!(kinds(Some(&fine), &a), ["not-followed"]);
        assert_eq!(kinds(Some(&a), &b), ["not-followed"]);
        assert_eq!(kinds(Some(&b), &fine), ["followed"]);
        let route = |received, failure: Value| {
            status(json!({}), json!({}), json!({"received": generation(received), "failure": failure}))
        };
        let failed = |received, reason: &str| route(received, json!({"reason": reason, "at_unix_ms": 1}));
        let fine = |received| route(received, Value::Null);
        assert_eq!(kinds(Some(&fine(1)), &failed(2, "a")), ["route-refused"]);
        assert_eq!(kinds(Some(&failed(2, "a")), &failed(2, "a")), [""; 0]);
        assert_eq!(kinds(Some(&failed(2, "a")), &failed(3, "a")), ["route-refused"]);
        assert_eq!(kinds(Some(&failed(2, "a")), &fine(3)), ["route-taken"]);
    }

    #[test]
    fn a_node_that_starts_tells_what_it_runs() {
        let slot = json!({"active": version(3), "last_healthy": version(3), "plugin": ["caching-lru", "0.1.0"],
                          "flip_ms": 0.25, "last_failure": failure(4, "no such import", 2)});
        let told = events(None, &status(json!({}), slot, json!({})));
        let [flipped, refused] = told.as_slice() else { panic!("{told:?}") };
        let text = serde_json::to_value(flipped).unwrap();
        let expected = "it decides: caching-lru@0.1.0, decisions stood still for 0.250 ms";
        assert_eq!((&text["kind"], &text["message"]), (&json!("flipped"), &json!(expected)));
        assert_eq!((&text["strategy"], &text["generation"]), (&json!("sessions"), &generation(3)));
        let text = serde_json::to_value(refused).unwrap();
        let outlook = "not tried again until plugin, configuration or limits change or the node is started again";
        assert_eq!((&text["stage"], &text["message"]), (&json!("link"), &json!(format!("no such import; {outlook}"))));
        assert_eq!(text["generation"], generation(4));
    }
}
