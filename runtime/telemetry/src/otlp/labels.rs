use std::borrow::Cow;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
};

/// Labels of one origin, to be borrowed by its series.
pub(super) type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// What a resource is called in Prometheus: `job` from the service's namespace and name, `instance` from its instance id.
/// <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#resource-attributes-1>
pub(super) fn identity(resource: Option<&Resource>) -> Labels<'_> {
    let find = |key| resource.and_then(|resource| find(&resource.attributes, key));
    let mut labels = Labels::new();
    match (find("service.namespace"), find("service.name")) {
        (Some(namespace), Some(name)) => labels.push(("job", format!("{namespace}/{name}").into())),
        (None, Some(name)) => labels.push(("job", name)),
        (_, None) => {}
    }
    labels.extend(find("service.instance.id").map(|id| ("instance", id)));
    labels
}

/// The other attributes of a resource, for `target_info`.
pub(super) fn target(resource: Option<&Resource>) -> Labels<'_> {
    const IN_IDENTITY: [&str; 3] = ["service.namespace", "service.name", "service.instance.id"];
    let attributes = resource.map(|resource| resource.attributes.as_slice()).unwrap_or_default();
    let others = attributes.iter().filter(|attribute| !IN_IDENTITY.contains(&attribute.key.as_str()));
    others.map(label).collect()
}

/// Which library measured, where it says so.
pub(super) fn scope(scope: Option<&InstrumentationScope>) -> Labels<'_> {
    let Some(scope) = scope else { return Labels::new() };
    let named = [("otel_scope_name", &scope.name), ("otel_scope_version", &scope.version)];
    let told = named.into_iter().filter(|(_, value)| !value.is_empty());
    told.map(|(name, value)| (name, Cow::Borrowed(value.as_str()))).collect()
}

/// Attributes of a point.
pub(super) fn attributes(attributes: &[KeyValue]) -> Labels<'_> {
    attributes.iter().map(label).collect()
}

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<Cow<'a, str>> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(label(found).1).filter(|value| !value.is_empty())
}

fn label(attribute: &KeyValue) -> (&str, Cow<'_, str>) {
    (&attribute.key, text(attribute.value.as_ref()))
}

/// A value as text: text as it is, everything else as OpenTelemetry asks for it, in the form of JSON.
fn text(value: Option<&AnyValue>) -> Cow<'_, str> {
    match value.and_then(|value| value.value.as_ref()) {
        None => "".into(),
        Some(Value::StringValue(text)) => text.as_str().into(),
        Some(Value::BoolValue(value)) => value.to_string().into(),
        Some(Value::IntValue(value)) => value.to_string().into(),
        Some(Value::DoubleValue(value)) => value.to_string().into(),
        Some(other) => serde_json::to_string(other).unwrap_or_default().into(),
    }
}
