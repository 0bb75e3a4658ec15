use std::process::ExitCode;

use switchyard_types::ApiError;

use crate::output::{Format, inert};

/// The command line was taken, but what it says makes no sense: exit status 2, as for what clap refuses.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Says on standard error what went wrong, as text or as JSON, and which exit status that is.
pub(crate) fn report(error: &anyhow::Error, format: Format) -> ExitCode {
    match format {
        Format::Table | Format::Wide => eprintln!("error: {}", text(error)),
        Format::Json => eprintln!("{}", json(error)),
    }
    ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
}

/// The message and its causes, where something was refused, then what the server found, one finding a line.
fn text(error: &anyhow::Error) -> String {
    let mut text = lines(&format!("{error:#}"));
    let Some(api) = api_error(error) else { return text };
    if let Some(stage) = api.stage {
        text.push_str(&format!(" (stage {stage})"));
    }
    for detail in &api.details {
        text.push_str("\n  ");
        text.push_str(&inert(detail));
    }
    text
}

/// An excerpt of a manifest has several lines; those after the first are set in, so that none passes for a message.
fn lines(text: &str) -> String {
    text.lines().map(inert).collect::<Vec<_>>().join("\n  ")
}

fn json(error: &anyhow::Error) -> serde_json::Value {
    let mut value = serde_json::json!({ "message": format!("{error:#}") });
    if let (Some(api), Some(object)) = (api_error(error), value.as_object_mut()) {
        object.insert("code".to_owned(), serde_json::json!(api.code));
        object.insert("stage".to_owned(), serde_json::json!(api.stage));
        object.insert("details".to_owned(), serde_json::json!(api.details));
    }
    value
}

fn api_error(error: &anyhow::Error) -> Option<&ApiError> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use switchyard_types::{ErrorCode, Stage};

    use super::*;

    #[test]
    fn an_error_of_the_server_is_shown_with_what_it_found() {
        let api = ApiError {
            code: ErrorCode::Refused,
            message: "the configuration breaks the schema".to_owned(),
            stage: Some(Stage::Schema),
            details: vec!["spec.configuration.a\u{1b}: 200 is greater than the maximum of 50".to_owned()],
        };
        let error = anyhow!(api).context("strategy.yaml");
        let expected = "strategy.yaml: the configuration breaks the schema (stage schema)\n  \
                        spec.configuration.a\\u{1b}: 200 is greater than the maximum of 50";
        assert_eq!(text(&error), expected);
        let json = json(&error);
        assert_eq!((&json["code"], &json["stage"]), (&"refused".into(), &"schema".into()));
        assert_eq!(
            json["details"],
            serde_json::json!(["spec.configuration.a\u{1b}: 200 is greater than the maximum of 50"])
        );
    }

    #[test]
    fn an_excerpt_keeps_its_lines_and_nothing_passes_for_a_message() {
        assert_eq!(text(&anyhow!("a.yaml: line 1\n | x\u{1b}[0m")), "a.yaml: line 1\n   | x\\u{1b}[0m");
    }
}
