use std::io::Read;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde::Serialize;
use switchyard_types::{ApiError, Declaration, Generation, parse_documents};

use crate::{
    arguments::Global,
    files,
    http::{Client, Put},
    output,
    runtime::block_on,
};

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// A manifest, YAML or JSON; `-` reads standard input. Several documents are separated by `---`
    #[arg(short, long, value_name = "FILE")]
    file: String,
    /// Check everything, change nothing
    #[arg(long)]
    dry_run: bool,
}

/// A declaration and no data: more is a mistake.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// What became of one document.
#[derive(Debug, Serialize)]
struct Applied {
    kind: &'static str,
    name: String,
    result: &'static str,
    #[serde(rename = "resourceVersion")]
    resource_version: Option<u64>,
    generation: Option<Generation>,
    /// What the server finds odd about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

pub(crate) fn run(verb: &Apply, global: &Global) -> Result<()> {
    let shown = if verb.file == "-" { "standard input" } else { &verb.file };
    let text = read(&verb.file)?;
    let documents = parse_documents(&text).map_err(|error| {
        let error = error.to_string();
        anyhow!("{shown}: {}", error.strip_prefix("error: ").unwrap_or(&error))
    })?;
    let client = Client::new(global)?;
    let applied = block_on(apply_all(&client, &documents, verb.dry_run));
    let applied = applied.map_err(|error| in_file(error, shown)).with_context(|| shown.to_owned())?;
    for Applied { kind, name, warnings, .. } in &applied {
        for warning in warnings {
            eprintln!("warning: {kind} {name}: {}", output::inert(warning));
        }
    }
    output::print(global.output, &applied, |applied| Ok(show(applied)))
}

fn read(file: &str) -> Result<String> {
    let bytes = if file == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .take(MANIFEST_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .context("standard input cannot be read")?;
        bytes
    } else {
        files::read(file.as_ref(), MANIFEST_BYTES_MAX)?
    };
    String::from_utf8(bytes).map_err(|error| anyhow!("{file}: byte {} is not UTF-8", error.utf8_error().valid_up_to()))
}

/// Of several documents none is applied before all of them were checked: a mistake in the last leaves nothing half done.
async fn apply_all(client: &Client, documents: &[Declaration], dry_run: bool) -> Result<Vec<Applied>> {
    if dry_run || documents.len() > 1 {
        for document in documents {
            client.put(document, true).await.with_context(|| document.name().to_owned())?;
        }
    }
    let mut applied = Vec::with_capacity(documents.len());
    for document in documents {
        applied.push(apply_one(client, document, dry_run).await.with_context(|| document.name().to_owned())?);
    }
    Ok(applied)
}

/// The server speaks of a strategy's `configuration`; in a manifest this is the key `spec.configuration`.
fn in_file(error: anyhow::Error, file: &str) -> anyhow::Error {
    let context: Vec<String> =
        error.chain().take_while(|cause| !cause.is::<ApiError>()).map(ToString::to_string).collect();
    let Some(mut api) = error.downcast_ref::<ApiError>().cloned() else { return error };
    // What is all that there is to say would be told twice.
    api.details.retain(|detail| *detail != api.message);
    for detail in &mut api.details {
        // Where the message ends with the only finding, it would be told twice.
        let told = api.message.strip_suffix(detail.as_str()).and_then(|message| message.strip_suffix(": "));
        if let Some(message) = told.map(str::to_owned) {
            api.message = message;
        }
        if detail.starts_with("configuration") || detail.starts_with("limits") {
            *detail = format!("{file}: spec.{detail}");
        }
    }
    context.into_iter().rev().fold(anyhow::Error::new(api), anyhow::Error::context)
}

async fn apply_one(client: &Client, document: &Declaration, dry_run: bool) -> Result<Applied> {
    let Put { before, after } = client.put(document, dry_run).await?;
    let result = match before {
        _ if dry_run => "valid",
        None => "created",
        Some(before) if before.resource_version == after.resource_version => "unchanged",
        Some(_) => "replaced",
    };
    let (kind, name) = (document.word(), document.name().to_owned());
    let (generation, warnings) = (after.generation(), after.warnings().to_vec());
    Ok(Applied { kind, name, result, resource_version: after.resource_version, generation, warnings })
}

fn show(applied: &[Applied]) -> String {
    let line = |one: &Applied| match one.generation {
        Some(generation) if one.result != "valid" => {
            format!("{} {} {} (generation {generation})", one.kind, one.name, one.result)
        }
        _ => format!("{} {} {}", one.kind, one.name, one.result),
    };
    applied.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use switchyard_types::{ErrorCode, Stage};

    use super::*;

    #[test]
    fn what_the_server_found_is_told_as_a_place_in_the_file() {
        let api = ApiError {
            code: ErrorCode::Refused,
            message: "refused: configuration.small_percent: 200 is greater than the maximum of 90".to_owned(),
            stage: Some(Stage::Schema),
            details: vec!["configuration.small_percent: 200 is greater than the maximum of 90".to_owned()],
        };
        let error = in_file(anyhow::Error::new(api).context("sessions"), "strategy.yaml");
        assert_eq!(format!("{error:#}"), "sessions: refused");
        let found = error.downcast_ref::<ApiError>().unwrap();
        let expected = "strategy.yaml: spec.configuration.small_percent: 200 is greater than the maximum of 90";
        assert_eq!(found.details, [expected]);
    }
}
