use std::sync::Arc;

use switchyard_host::{SlotFigures, StrategySlot};
use switchyard_types::{Figure, HookFigures, SlotId};

/// What strategies do in the slots of an engine, and how well. Takes each shard's lock for a moment.
pub(super) fn list(slots: &[(SlotId, Arc<dyn StrategySlot>)]) -> Vec<Figure> {
    slots.iter().flat_map(|(id, slot)| of_slot(id, &slot.figures())).collect()
}

fn of_slot(id: &SlotId, figures: &SlotFigures) -> Vec<Figure> {
    let active = f64::from(u8::from(figures.strategy.is_some()));
    let whole = [
        Figure::gauge("switchyard.slot.active", "1", "Whether a strategy is active", active),
        Figure::gauge(
            "switchyard.slot.quarantined",
            "{shard}",
            "Shards whose strategy failed too often, so that the fallback decides",
            f64::from(figures.shards.quarantined),
        ),
        Figure::counter("switchyard.slot.flips", "{flip}", "Versions that were flipped to", figures.flips as f64),
    ];
    let hooks = figures.hooks.iter().flat_map(|(name, hook)| of_hook(name, hook));
    whole.into_iter().chain(hooks).map(|figure| labelled(figure, id)).collect()
}

fn of_hook<'a>(name: &'a str, hook: &HookFigures) -> impl Iterator<Item = Figure> + use<'a> {
    let counted = [
        ("switchyard.slot.calls", "{call}", "Calls of a hook", hook.calls),
        ("switchyard.slot.fallbacks", "{call}", "Callers that the fallback answered", hook.fallbacks),
        ("switchyard.slot.busy", "{call}", "Callers that the fallback answered because somebody else asked", hook.busy),
    ];
    let counted = counted.map(|(name, unit, text, count)| Figure::counter(name, unit, text, count as f64));
    let causes = [
        ("trap", hook.traps),
        ("memory", hook.out_of_memory),
        ("budget", hook.budget_exceeded),
        ("starved", hook.starved),
        ("invalid", hook.invalid),
    ];
    let failures = causes.map(|(cause, count)| {
        let text = "Calls of a hook that gave no answer, by why";
        Figure::counter("switchyard.slot.failures", "{call}", text, count as f64).with("cause", cause)
    });
    counted.into_iter().chain(failures).map(move |figure| figure.with("hook", name))
}

fn labelled(figure: Figure, id: &SlotId) -> Figure {
    let figure = figure.with("kind", id.kind.as_str());
    if id.target.is_empty() { figure } else { figure.with("target", &id.target) }
}
