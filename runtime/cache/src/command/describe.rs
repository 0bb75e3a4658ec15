use super::{
    Call, Flow,
    spec::{self, SPECS, Spec},
};
use crate::resp::Writer;

/// `COMMAND`
pub(super) fn all(call: &mut Call<'_>) -> Flow {
    call.writer.array(SPECS.len());
    SPECS.iter().for_each(|spec| details(&mut call.writer, spec));
    Flow::Done
}

/// `COMMAND COUNT`
pub(super) fn count(call: &mut Call<'_>) -> Flow {
    call.integer(SPECS.len() as i64)
}

/// `COMMAND LIST`
pub(super) fn list(call: &mut Call<'_>) -> Flow {
    if call.arguments.len() > 2 {
        return call.syntax_error();
    }
    call.writer.set(SPECS.len());
    SPECS.iter().for_each(|spec| call.writer.bulk(spec.name.as_bytes()));
    Flow::Done
}

/// `COMMAND INFO [name ...]`
pub(super) fn some(call: &mut Call<'_>) -> Flow {
    if call.arguments.len() == 2 {
        return all(call);
    }
    call.writer.array(call.arguments.len() - 2);
    for name in call.arguments.from(2) {
        match spec::find(SPECS, name) {
            Some(spec) => details(&mut call.writer, spec),
            None => call.writer.null(),
        }
    }
    Flow::Done
}

/// `COMMAND DOCS [name ...]`
pub(super) fn docs(call: &mut Call<'_>) -> Flow {
    let everything = call.arguments.len() == 2;
    let named =
        |spec: &&Spec| everything || call.arguments.from(2).any(|name| name.eq_ignore_ascii_case(spec.name.as_bytes()));
    let specs: Vec<&Spec> = SPECS.iter().filter(named).collect();
    call.writer.map(specs.len());
    specs.into_iter().for_each(|spec| documentation(&mut call.writer, spec));
    Flow::Done
}

/// The ten fields that Redis 7 gives of a command. Tips and key specifications are empty: clients that route by keys take
/// the three numbers.
fn details(writer: &mut Writer<'_>, spec: &Spec) {
    writer.array(10);
    writer.bulk(spec.full_name.as_bytes());
    writer.integer(spec.arity);
    writer.set(spec.flags.len());
    spec.flags.iter().for_each(|flag| writer.simple(flag));
    spec.keys.iter().for_each(|key| writer.integer(*key));
    let categories = categories(spec);
    writer.set(categories.len());
    categories.iter().for_each(|category| writer.simple(category));
    writer.array(0);
    writer.array(0);
    writer.array(spec.subcommands.len());
    spec.subcommands.iter().for_each(|spec| details(writer, spec));
}

fn categories(spec: &Spec) -> Vec<&'static str> {
    let has = |flag: &str| spec.flags.contains(&flag);
    let mut categories = Vec::new();
    if has("write") {
        categories.push("@write");
    }
    if has("readonly") {
        categories.push("@read");
    }
    categories.push(match spec.group {
        "string" => "@string",
        "connection" => "@connection",
        _ => "@keyspace",
    });
    if has("admin") {
        categories.push("@admin");
    }
    categories.push(if has("fast") { "@fast" } else { "@slow" });
    categories
}

fn documentation(writer: &mut Writer<'_>, spec: &Spec) {
    writer.bulk(spec.full_name.as_bytes());
    writer.map(if spec.subcommands.is_empty() { 3 } else { 4 });
    for (field, text) in [("summary", spec.summary), ("since", spec.since), ("group", spec.group)] {
        writer.bulk(field.as_bytes());
        writer.bulk(text.as_bytes());
    }
    if !spec.subcommands.is_empty() {
        writer.bulk(b"subcommands");
        writer.map(spec.subcommands.len());
        spec.subcommands.iter().for_each(|spec| documentation(writer, spec));
    }
}
