use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use switchyard_host::scheduling::{EventKind, QueueView, Wants};

use super::{arrive::Invited, *};
use crate::{
    clock::{Moment, wall_ms},
    disk,
    job::Job,
    owner::Owner,
    placement::{self, Placement},
    rank::Rank,
    task::Failure,
};

const LIMITS: Limits = Limits { tasks_max: 1_000, dead_max: 3 };
const QUEUES: [&str; 2] = ["a", "b"];
const WORKERS: [&str; 2] = ["w", "x"];
const START_MS: u64 = 1_000_000;

pub(super) fn empty() -> State {
    State::new(LIMITS)
}

pub(super) fn arrival(queue: &str, priority: u8, retry: i32, at_ms: Option<u64>) -> Arrival {
    let json = format!(
        r#"{{"jid":"12345678","jobtype":"t","args":[],"queue":"{queue}","priority":{priority},"retry":{retry},"reserve_for":60}}"#
    );
    let job = Job::parse(json.as_bytes()).unwrap();
    let invited = Invited { id: TaskId(0), accepted_ms: 0, queue: QueueView::default() };
    let standing = empty().stand(queue, priority, None);
    Arrival { invited, job, payload: Bytes::from(json), standing, at_ms }
}

/// What `decide.rs` does.
fn decide(state: &mut State, now_ms: u64, failing: Failing, kind: &str, random: u64) {
    let failure = Failure { failed_at_ms: 0, kind: kind.into(), message: "m".into(), backtrace: Vec::new() };
    let fate = state.fate(&failing, None, random);
    assert!(state.fail(now_ms, failing, failure.clone(), fate).is_some());
    assert!(state.fail(now_ms, failing, failure, fate).is_none(), "a lease fails once");
}

fn fail(state: &mut State, now_ms: u64, claim: Claim<'_>, random: u64) -> bool {
    let failing = state.failing(claim);
    failing.into_iter().for_each(|failing| decide(state, now_ms, failing, "E", random));
    failing.is_some()
}

fn pass_time(state: &mut State, now_ms: u64) {
    for failing in state.pass_time(now_ms, 1_000) {
        decide(state, now_ms, failing, LOST, 1 << 63);
    }
}

fn arrive(state: &mut State, now_ms: u64, arrival: Arrival) -> Result<TaskId, TasksError> {
    let invited = state.invite(now_ms, &arrival.job.queue)?;
    state.arrive(now_ms, Arrival { invited, ..arrival });
    Ok(invited.id)
}

/// What the writer does, without a disk.
fn write(state: &mut State, now_ms: u64) {
    while state.work() != Work::Nothing {
        let (_, arriving, _) = state.take_batch(3, Take::All, |task| disk::encode(task, now_ms, now_ms)).unwrap();
        arriving.into_iter().for_each(|id| state.admit(now_ms, id));
    }
}

pub(super) fn pushed(state: &mut State, now_ms: u64, arrival: Arrival) -> TaskId {
    let id = arrive(state, now_ms, arrival).unwrap();
    write(state, now_ms);
    id
}

pub(super) fn take(state: &mut State, now_ms: u64, worker: &str) -> Option<Handout> {
    let queues = QUEUES.map(Arc::from);
    state.take(now_ms, &Owner::from(worker), &queues)
}

#[derive(Debug, Clone)]
enum Step {
    Push { queue: usize, priority: u8, retry: i32, delay_ms: u64 },
    Take { worker: usize },
    Acknowledge { nth: usize },
    Fail { nth: usize, random: u64 },
    Stale { nth: usize },
    Retry { nth: usize },
    Delete { nth: usize },
    GiveBack { nth: usize },
    Pass { ms: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let nth = 0..8_usize;
    prop_oneof![
        8 => (0..2_usize, 1..10_u8, -1..3_i32, prop_oneof![3 => Just(0_u64), 1 => 1..100_000_u64])
            .prop_map(|(queue, priority, retry, delay_ms)| Step::Push { queue, priority, retry, delay_ms }),
        8 => (0..2_usize).prop_map(|worker| Step::Take { worker }),
        4 => nth.clone().prop_map(|nth| Step::Acknowledge { nth }),
        4 => (nth.clone(), any::<u64>()).prop_map(|(nth, random)| Step::Fail { nth, random }),
        1 => nth.clone().prop_map(|nth| Step::Stale { nth }),
        1 => nth.clone().prop_map(|nth| Step::Retry { nth }),
        1 => nth.clone().prop_map(|nth| Step::Delete { nth }),
        1 => nth.clone().prop_map(|nth| Step::GiveBack { nth }),
        2 => (1..40_000_u64).prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Restart),
    ]
}

/// A task as the simplest of queues would know it.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    queue: &'static str,
    priority: u8,
    retry: i32,
    attempt: u32,
    due_ms: u64,
    /// The lease and its end.
    held: Option<(LeaseId, u64)>,
    dead: bool,
}

/// The simplest of queues: it looks at every task each time.
#[derive(Debug, Default)]
struct Model {
    now_ms: u64,
    tasks: BTreeMap<TaskId, Known>,
    leases: Vec<Handout>,
}

impl Model {
    fn next(&self) -> Option<TaskId> {
        let ready = |known: &Known| known.held.is_none() && !known.dead && known.due_ms <= self.now_ms;
        let first = |queue: &&str| {
            let of_queue = self.tasks.iter().filter(|(_, known)| known.queue == *queue && ready(known));
            of_queue.min_by_key(|(id, known)| (9 - known.priority, **id)).map(|(id, _)| *id)
        };
        QUEUES.iter().find_map(first)
    }

    fn held(&self) -> Vec<Handout> {
        let held = |(id, known): (&TaskId, &Known)| known.held.map(|(lease, _)| Handout { id: *id, lease });
        self.tasks.iter().filter_map(held).collect()
    }

    /// A failure: the state says when it is tried again, the model whether.
    fn failed(&mut self, state: &State, id: TaskId) {
        let known = self.tasks.get_mut(&id).unwrap();
        known.held = None;
        known.attempt += 1;
        if known.retry == 0 {
            assert!(state.task(id).is_none());
            self.tasks.remove(&id);
        } else if known.attempt > known.retry.max(0) as u32 {
            known.dead = true;
            // Of too many dead letters the oldest are gone.
            self.tasks.retain(|id, known| !known.dead || state.task(*id).is_some());
            assert!(self.tasks.values().filter(|known| known.dead).count() <= LIMITS.dead_max);
        } else {
            let timer_ms = state.task(id).unwrap().timer_ms();
            known.due_ms = timer_ms.unwrap_or(self.now_ms);
            assert!(known.due_ms < self.now_ms + (1_000 << known.attempt));
        }
    }

    fn pass(&mut self, state: &mut State, ms: u64) {
        self.now_ms += ms;
        pass_time(state, self.now_ms);
        let ended = |known: &Known| known.held.is_some_and(|(_, until_ms)| until_ms <= self.now_ms);
        let lost: Vec<TaskId> = self.tasks.iter().filter(|(_, known)| ended(known)).map(|(id, _)| *id).collect();
        lost.into_iter().for_each(|id| self.failed(state, id));
    }

    fn check(&self, state: &State) {
        assert_eq!(state.tasks.keys().collect::<Vec<_>>(), self.tasks.keys().collect::<Vec<_>>(), "nothing is lost");
        for (id, known) in &self.tasks {
            let task = state.task(*id).unwrap();
            let expected = match known {
                Known { dead: true, .. } => crate::TaskState::Dead,
                Known { held: Some(_), .. } => crate::TaskState::Leased,
                Known { due_ms, .. } if *due_ms > self.now_ms => crate::TaskState::Delayed,
                _ => crate::TaskState::Waiting,
            };
            assert_eq!(crate::TaskState::of(&task.phase), Some(expected), "{id} {known:?} {task:?}");
            assert_eq!(
                (task.attempt, task.lease().map(|lease| lease.id)),
                (known.attempt, known.held.map(|held| held.0))
            );
        }
        let total = state
            .queue_figures()
            .into_iter()
            .map(|(_, queue)| queue.waiting + queue.delayed + queue.leased + queue.dead);
        assert_eq!(total.sum::<u64>(), self.tasks.len() as u64);
    }
}

fn nth<T: Copy>(list: &[T], nth: usize) -> Option<T> {
    (!list.is_empty()).then(|| list[nth % list.len()])
}

fn follow(state: &mut State, model: &mut Model, step: Step) {
    let now_ms = model.now_ms;
    match step {
        Step::Push { queue, priority, retry, delay_ms } => {
            let at_ms = (delay_ms > 0).then_some(now_ms + delay_ms);
            let id = arrive(state, now_ms, arrival(QUEUES[queue], priority, retry, at_ms)).unwrap();
            assert!(state.task(id).is_none(), "nobody knows of it yet");
            write(state, now_ms);
            let due_ms = now_ms + delay_ms;
            model.tasks.insert(
                id,
                Known { queue: QUEUES[queue], priority, retry, attempt: 0, due_ms, held: None, dead: false },
            );
        }
        Step::Take { worker } => {
            let handout = take(state, now_ms, WORKERS[worker]);
            assert_eq!(handout.map(|handout| handout.id), model.next());
            if let Some(handout) = handout {
                model.tasks.get_mut(&handout.id).unwrap().held = Some((handout.lease, now_ms + 60_000));
                model.leases.push(handout);
            }
        }
        Step::Acknowledge { nth: n } => {
            if let Some(Handout { id, lease }) = nth(&model.held(), n) {
                assert!(state.acknowledge(at(START_MS), Claim::Lease(id, lease)).is_some());
                assert!(state.acknowledge(at(START_MS), Claim::Lease(id, lease)).is_none());
                model.tasks.remove(&id);
            }
        }
        Step::Fail { nth: n, random } => {
            if let Some(Handout { id, lease }) = nth(&model.held(), n) {
                assert!(fail(state, now_ms, Claim::Lease(id, lease), random));
                model.failed(state, id);
            }
        }
        Step::Stale { nth: n } => {
            let stale = |handout: &&Handout| {
                model.tasks.get(&handout.id).and_then(|known| known.held).map(|held| held.0) != Some(handout.lease)
            };
            let stale: Vec<Handout> = model.leases.iter().filter(stale).copied().collect();
            if let Some(Handout { id, lease }) = nth(&stale, n) {
                assert!(state.acknowledge(at(START_MS), Claim::Lease(id, lease)).is_none());
                assert!(!fail(state, now_ms, Claim::Lease(id, lease), 0));
            }
        }
        Step::Retry { nth: n } => {
            let ids: Vec<TaskId> = model.tasks.keys().copied().collect();
            let Some(id) = nth(&ids, n) else { return };
            let known = model.tasks.get_mut(&id).unwrap();
            let can = known.dead || (known.held.is_none() && known.due_ms > now_ms);
            assert_eq!(state.retry(now_ms, id).is_ok(), can);
            if can {
                *known = Known {
                    dead: false,
                    due_ms: now_ms,
                    attempt: if known.dead { 0 } else { known.attempt },
                    ..known.clone()
                };
            }
        }
        Step::Delete { nth: n } => {
            let ids: Vec<TaskId> = model.tasks.keys().copied().collect();
            if let Some(id) = nth(&ids, n) {
                assert!(state.delete(id).is_ok() && state.delete(id).is_err());
                model.tasks.remove(&id);
            }
        }
        Step::GiveBack { nth: n } => {
            if let Some(handout) = nth(&model.held(), n) {
                state.give_back(now_ms, handout);
                let known = model.tasks.get_mut(&handout.id).unwrap();
                *known = Known { held: None, due_ms: now_ms, ..known.clone() };
            }
        }
        Step::Pass { ms } => model.pass(state, ms),
        Step::Restart => {
            write(state, now_ms);
            let records = state.tasks.values().map(|task| (task.id, disk::encode(task, now_ms, now_ms).unwrap()));
            let tasks = records.map(|(id, record)| disk::decode(id, &record, now_ms, now_ms).unwrap()).collect();
            let next_id = std::mem::replace(state, empty()).next_id;
            state.take_up(next_id, now_ms, tasks, []);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn it_behaves_as_the_simplest_of_queues_does(steps in prop::collection::vec(step(), 1..120)) {
        let (mut state, mut model) = (empty(), Model { now_ms: START_MS, ..Model::default() });
        for step in steps {
            follow(&mut state, &mut model, step);
            model.check(&state);
        }
        // At the end everything that is left can be worked.
        model.pass(&mut state, u64::MAX / 4);
        model.pass(&mut state, u64::MAX / 4);
        while let Some(Handout { id, lease }) = take(&mut state, model.now_ms, "w") {
            prop_assert_eq!(Some(id), model.next());
            prop_assert!(state.acknowledge(at(START_MS), Claim::Lease(id, lease)).is_some());
            model.tasks.remove(&id);
        }
        prop_assert!(model.tasks.values().all(|known| known.dead));
    }
}

#[test]
fn a_lease_that_ends_fences_its_worker() {
    let mut state = empty();
    let id = pushed(&mut state, START_MS, arrival("a", 5, 25, None));
    let first = take(&mut state, START_MS, "w").unwrap();
    pass_time(&mut state, START_MS + 59_999);
    assert!(state.task(id).unwrap().lease().is_some(), "it has its time");
    pass_time(&mut state, START_MS + 60_000);
    assert_eq!(state.task(id).unwrap().failure.as_ref().unwrap().kind, "lost");
    pass_time(&mut state, START_MS + 200_000);
    let second = take(&mut state, START_MS + 200_000, "x").unwrap();
    assert_ne!(first.lease, second.lease);
    let [w, x] = WORKERS.map(Owner::from);
    let late = [Claim::Lease(id, first.lease), Claim::Job { owner: &w, jid: "12345678" }];
    assert!(late.into_iter().all(|claim| state.acknowledge(at(START_MS), claim).is_none()));
    assert_eq!(state.totals.late, 2);
    assert!(state.acknowledge(at(START_MS), Claim::Job { owner: &x, jid: "12345678" }).is_some());
}

#[test]
fn a_worker_that_is_gone_loses_what_it_held_and_nobody_else_does() {
    let mut state = empty();
    for _ in 0..3 {
        pushed(&mut state, START_MS, arrival("a", 5, 25, None));
    }
    let held = ["w", "x", "w"].map(|worker| take(&mut state, START_MS, worker).unwrap());
    assert_eq!(state.holders(), ["w", "x"]);
    for failing in state.held_by(&Owner::from("w")) {
        decide(&mut state, START_MS, failing, LOST, 0);
    }
    assert_eq!(state.holders(), ["x"]);
    assert_eq!(state.queue_figures()[0].1.lost, 2);
    assert!(state.acknowledge(at(START_MS), Claim::Lease(held[1].id, held[1].lease)).is_some());
}

#[test]
fn the_worker_that_has_waited_longest_is_served_first() {
    let mut state = empty();
    let wait = |state: &mut State, worker: &str, queues: &[&str]| {
        let (send, receive) = tokio::sync::oneshot::channel();
        let id = state.wait(Owner::from(worker), queues.iter().map(|queue| Arc::from(*queue)).collect(), send);
        (id, receive)
    };
    let (_, _first) = wait(&mut state, "w", &["b"]);
    let (second, _second) = wait(&mut state, "x", &["a", "b"]);
    let (_, _third) = wait(&mut state, "y", &["b"]);
    pushed(&mut state, START_MS, arrival("a", 5, 25, None));
    assert_eq!(state.handouts.len(), 1, "only one waits for this queue");
    assert_eq!(state.holders(), ["x"]);
    state.leave(second);
    pushed(&mut state, START_MS, arrival("b", 5, 25, None));
    assert_eq!(state.holders(), ["w", "x"]);
    pushed(&mut state, START_MS, arrival("b", 5, 25, None));
    assert_eq!(state.holders(), ["w", "x", "y"]);
}

#[test]
fn bounds_are_kept() {
    let mut state = State::new(Limits { tasks_max: 2, dead_max: 1 });
    for _ in 0..2 {
        pushed(&mut state, START_MS, arrival("a", 5, -1, None));
    }
    assert!(matches!(arrive(&mut state, START_MS, arrival("a", 5, -1, None)), Err(TasksError::Full(_))));
    for _ in 0..2 {
        let Handout { id, lease } = take(&mut state, START_MS, "w").unwrap();
        fail(&mut state, START_MS, Claim::Lease(id, lease), 0);
    }
    assert_eq!((state.tasks.len(), state.totals.buried_dropped), (1, 1));
    // A new queue takes the place of an empty one, and not that of one that holds something.
    let mut state = State::new(Limits { tasks_max: 9_999, dead_max: 1 });
    pushed(&mut state, START_MS, arrival("keeps", 5, 0, None));
    for n in 0..2_000 {
        let id = pushed(&mut state, START_MS, arrival(&format!("q{n}"), 5, 0, None));
        state.delete(id).unwrap();
    }
    assert!(state.queue_figures().len() <= 1_024);
    assert_eq!(state.totals.pushed, 2_001, "what a queue has done outlives it");
    let kept = state.queue_figures().iter().any(|(name, queue)| **name == *"keeps" && queue.waiting == 1);
    assert!(kept);
}

#[test]
fn delays_of_ages_are_cut_and_times_do_not_overflow() {
    let mut state = empty();
    let id = pushed(&mut state, START_MS, arrival("a", 5, 0, Some(u64::MAX)));
    let due_ms = state.task(id).unwrap().timer_ms().unwrap();
    assert!(due_ms > START_MS && due_ms < START_MS + 11 * 365 * 24 * 60 * 60 * 1_000);
    let record = disk::encode(state.task(id).unwrap(), START_MS, wall_ms()).unwrap();
    assert!(disk::decode(id, &record, START_MS, 0).is_ok());
}

fn listening() -> State {
    let mut state = empty();
    state.listen(Wants { started: true, done: true, batch: 64 });
    state
}

fn told(state: &mut State) -> Vec<(u64, EventKind, u64)> {
    let mut events = Vec::new();
    state.events.drain(1_000, &mut events);
    events.into_iter().map(|event| (event.id, event.kind, event.took_ms)).collect()
}

/// Both clocks say the same.
fn at(now_ms: u64) -> Moment {
    Moment { now_ms, wall_ms: now_ms }
}

const NOW: Moment = Moment { now_ms: START_MS, wall_ms: START_MS };

fn ranked(state: &mut State, max: usize) -> Vec<u64> {
    let mut tasks = Vec::new();
    state.ranked(NOW, max, &mut tasks);
    tasks.into_iter().map(|task| task.id).collect()
}

#[test]
fn a_strategy_is_told_what_workers_and_people_do() {
    use EventKind::{Done, Placed, Removed, Started};
    let mut state = listening();
    let (first, second) = (pushed(&mut state, START_MS, arrival("a", 5, 25, None)), TaskId(2));
    assert_eq!(told(&mut state), [], "whoever decides says where it stands");
    let handout = take(&mut state, START_MS + 30, "w").unwrap();
    state.give_back(START_MS + 40, handout);
    take(&mut state, START_MS + 50, "w").unwrap();
    state.acknowledge(at(START_MS + 70), Claim::Job { owner: &Owner::from("w"), jid: "12345678" }).unwrap();
    let (id, of) = (first.0, |kind, took_ms| (1, kind, took_ms));
    assert_eq!((id, told(&mut state)), (1, vec![of(Started, 30), of(Placed, 0), of(Started, 10), of(Done, 20)]));
    pushed(&mut state, START_MS, arrival("a", 5, -1, None));
    take(&mut state, START_MS, "w").unwrap();
    assert!(fail(&mut state, START_MS, Claim::Job { owner: &Owner::from("w"), jid: "12345678" }, 0));
    told(&mut state);
    assert!(state.retry(START_MS, second).is_ok());
    assert!(state.delete(second).is_ok());
    assert_eq!(told(&mut state), [(2, Placed, 0), (2, Removed, 0)]);
}

#[test]
fn new_ranks_go_round_the_waiting_tasks_and_reorder_them() {
    let mut state = listening();
    for _ in 0..5 {
        pushed(&mut state, START_MS, arrival("a", 5, 25, None));
    }
    pushed(&mut state, START_MS, arrival("a", 5, 25, Some(START_MS + 1_000)));
    assert_eq!(take(&mut state, START_MS, "w").unwrap().id, TaskId(1));
    assert_eq!(
        [ranked(&mut state, 3), ranked(&mut state, 3), ranked(&mut state, 9)],
        [vec![2, 3, 4], vec![5], vec![2, 3, 4, 5]]
    );
    let mut unranked = Vec::new();
    state.unranked(NOW, 9, &mut unranked);
    assert_eq!(unranked.iter().map(|task| task.id).collect::<Vec<_>>(), [5, 4, 3, 2], "the last come first");
    for (id, rank) in [(5, 0.0), (4, -1.0), (3, 0.0)] {
        state.rerank(TaskId(id), Rank::new(rank).unwrap());
    }
    assert_eq!(take(&mut state, START_MS, "w").unwrap().id, TaskId(2), "what has no rank yet runs first");
    // Those that do not wait are left alone.
    [1, 6, 99].into_iter().for_each(|id| state.rerank(TaskId(id), Rank::new(-2.0).unwrap()));
    assert_eq!(take(&mut state, START_MS, "w").unwrap().id, TaskId(4));
    assert_eq!(take(&mut state, START_MS, "w").unwrap().id, TaskId(3));
}

#[test]
fn who_takes_over_sees_everything_but_dead_letters() {
    let mut state = listening();
    for n in 0..1_200 {
        let at_ms = (n % 3 == 0).then_some(START_MS + 500);
        arrive(&mut state, START_MS, arrival("a", 5, -1, at_ms)).ok();
    }
    write(&mut state, START_MS);
    assert_eq!(state.load().accepted, 1_000, "as many as there is room for");
    let [dead, held] = ["w", "x"].map(|worker| take(&mut state, START_MS, worker).unwrap());
    assert!(fail(&mut state, START_MS, Claim::Lease(dead.id, dead.lease), 0));
    let (mut residents, mut cursor, mut slices) = (Vec::new(), None, 0);
    loop {
        cursor = state.residents(NOW, cursor, &mut residents);
        slices += 1;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((residents.len(), slices), (999, 2));
    assert!(residents.iter().all(|resident| resident.task.id != dead.id.0));
    let leased: Vec<u64> = residents.iter().filter(|resident| resident.leased).map(|task| task.task.id).collect();
    assert_eq!(leased, [held.id.0]);
    assert_eq!(residents[0].due_ms, START_MS + 500);
    let load = state.load();
    assert_eq!((load.waiting, load.delayed, load.leased, load.accepted, load.failed), (664, 334, 1, 0, 1));
}

#[test]
fn a_task_that_the_strategy_did_not_place_stands_beside_the_last_that_it_did() {
    let mut state = listening();
    pushed(&mut state, START_MS, arrival("a", 5, 25, None));
    let alone = state.stand("a", 5, None);
    assert_eq!(alone.place.rank, placement::fallback(5).rank, "it has placed none");
    let given = state.stand("a", 5, Some(Placement { rank: Rank::new(1e12).unwrap(), delay_ms: 7 }));
    assert!(alone.place < given.place, "and what it places comes later");
    assert_eq!((state.stand("a", 5, None).place, state.stand("b", 5, None)), (given.place, alone));
    state.listen(Wants::default());
    assert!(state.stand("a", 9, None).place > given.place, "there is none, and what it has placed comes first");
}
