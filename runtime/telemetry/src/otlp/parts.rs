//! How many parts a body has, counted before it is decoded. On the wire a message may be two bytes long, and in memory it
//! is a hundred: four mebibytes of nothing would become hundreds.

use super::{Encoding, Refused};

/// Messages (protobuf) or objects and arrays (JSON) of one body. A body of honest points with labels, as large as it may
/// be, stays below.
const PARTS_MAX: usize = 500_000;
/// How deep messages may lie in one another: the decoder's own bound.
const DEPTH_MAX: usize = 100;

/// Refuses a body that would be far larger in memory than on the wire.
pub(super) fn check(encoding: Encoding, body: &[u8]) -> Result<(), Refused> {
    let parts = match encoding {
        Encoding::Protobuf => {
            let mut parts = 0;
            let unreadable = || Refused::malformed(&"its fields cannot be told apart");
            count(body, &REQUEST, DEPTH_MAX, &mut parts).ok_or_else(unreadable)?;
            parts
        }
        // Brackets within texts count too: there are few, and the bound is far.
        Encoding::Json => body.iter().filter(|byte| matches!(byte, b'{' | b'[')).count(),
    };
    if parts > PARTS_MAX { Err(Refused::too_many_parts(PARTS_MAX)) } else { Ok(()) }
}

/// The fields of a message that are messages, or texts in a list, by their numbers.
struct Shape(&'static [(u64, &'static Shape)]);

/// A text, or a message without any.
static LEAF: Shape = Shape(&[]);
static REQUEST: Shape = Shape(&[(1, &RESOURCE_METRICS)]);
static RESOURCE_METRICS: Shape = Shape(&[(1, &RESOURCE), (2, &SCOPE_METRICS)]);
static RESOURCE: Shape = Shape(&[(1, &ATTRIBUTE), (3, &ENTITY)]);
static ENTITY: Shape = Shape(&[(3, &LEAF), (4, &LEAF)]);
static SCOPE_METRICS: Shape = Shape(&[(1, &SCOPE), (2, &METRIC)]);
static SCOPE: Shape = Shape(&[(3, &ATTRIBUTE)]);
static METRIC: Shape =
    Shape(&[(5, &NUMBERS), (7, &NUMBERS), (9, &HISTOGRAM), (10, &EXPONENTIAL), (11, &SUMMARY), (12, &ATTRIBUTE)]);
static NUMBERS: Shape = Shape(&[(1, &NUMBER_POINT)]);
static NUMBER_POINT: Shape = Shape(&[(5, &EXEMPLAR), (7, &ATTRIBUTE)]);
static HISTOGRAM: Shape = Shape(&[(1, &HISTOGRAM_POINT)]);
static HISTOGRAM_POINT: Shape = Shape(&[(8, &EXEMPLAR), (9, &ATTRIBUTE)]);
static EXPONENTIAL: Shape = Shape(&[(1, &EXPONENTIAL_POINT)]);
static EXPONENTIAL_POINT: Shape = Shape(&[(1, &ATTRIBUTE), (8, &LEAF), (9, &LEAF), (11, &EXEMPLAR)]);
static SUMMARY: Shape = Shape(&[(1, &SUMMARY_POINT)]);
static SUMMARY_POINT: Shape = Shape(&[(6, &LEAF), (7, &ATTRIBUTE)]);
static EXEMPLAR: Shape = Shape(&[(7, &ATTRIBUTE)]);
static ATTRIBUTE: Shape = Shape(&[(2, &VALUE)]);
static VALUE: Shape = Shape(&[(5, &VALUES), (6, &ATTRIBUTES)]);
static VALUES: Shape = Shape(&[(1, &VALUE)]);
static ATTRIBUTES: Shape = Shape(&[(1, &ATTRIBUTE)]);

/// Counts the messages of a body, until there are too many. None where it cannot be walked: then the decoder, which may
/// walk on where this does not, must not see it.
fn count(mut body: &[u8], shape: &Shape, depth: usize, parts: &mut usize) -> Option<()> {
    while !body.is_empty() && *parts <= PARTS_MAX {
        let key = varint(&mut body)?;
        match key & 7 {
            0 => {
                varint(&mut body)?;
            }
            1 => body = body.get(8..)?,
            2 => {
                let bytes = usize::try_from(varint(&mut body)?).ok()?;
                let (inner, rest) = body.split_at_checked(bytes)?;
                body = rest;
                if let Some((_, shape)) = shape.0.iter().find(|(field, _)| *field == key >> 3) {
                    *parts += 1;
                    count_inner(inner, shape, depth, parts)?;
                }
            }
            5 => body = body.get(4..)?,
            // Groups, which OTLP has never had.
            _ => return None,
        }
    }
    Some(())
}

/// The same within a field. A leaf is not walked: it may be a text.
fn count_inner(body: &[u8], shape: &Shape, depth: usize, parts: &mut usize) -> Option<()> {
    if shape.0.is_empty() { Some(()) } else { count(body, shape, depth.checked_sub(1)?, parts) }
}

/// A number of protobuf's variable length: seven bits a byte, the lowest first.
fn varint(body: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = body.split_first()?;
        *body = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        collector::metrics::v1::ExportMetricsServiceRequest,
        common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value},
        metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data},
    };
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn body(points: Vec<NumberDataPoint>) -> Vec<u8> {
        let data = Some(Data::Gauge(Gauge { data_points: points }));
        let metrics = vec![Metric { name: "m".to_owned(), data, ..Default::default() }];
        let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
        let resource_metrics = vec![ResourceMetrics { scope_metrics, ..Default::default() }];
        ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
    }

    #[track_caller]
    fn check_count(body: &[u8], expected: Option<usize>) {
        let mut parts = 0;
        assert_eq!(count(body, &REQUEST, DEPTH_MAX, &mut parts).map(|()| parts), expected);
    }

    fn array(depth: usize) -> AnyValue {
        let values = if depth == 0 { Vec::new() } else { vec![array(depth - 1)] };
        AnyValue { value: Some(Value::ArrayValue(ArrayValue { values })) }
    }

    #[test]
    fn every_message_counts() {
        check_count(&body(Vec::new()), Some(4));
        check_count(&body(vec![NumberDataPoint::default(); 10]), Some(14));
        let attributes = vec![KeyValue { key: "k".to_owned(), value: Some(array(1)), key_strindex: 0 }];
        check_count(&body(vec![NumberDataPoint { attributes, ..Default::default() }]), Some(10));
        check_count(&[0x0a, 0x05, 0x00], None);
        check_count(&[0x0b, 0x0c], None);
        check_count(&[0xff; 20], None);
    }

    proptest! {
        /// Whatever the decoder takes has been counted: bytes that were changed at random hide nothing from the walk.
        #[test]
        fn nothing_is_decoded_that_was_not_counted(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let attributes = vec![KeyValue { key: "k".to_owned(), value: Some(array(2)), key_strindex: 0 }];
            let mut body = body(vec![NumberDataPoint { attributes, flags: 1, ..Default::default() }; 3]);
            for (at, byte) in changes {
                let at = at.index(body.len());
                body[at] = byte;
            }
            let mut parts = 0;
            let walked = count(&body, &REQUEST, DEPTH_MAX, &mut parts);
            if let (Ok(request), Some(())) = (ExportMetricsServiceRequest::decode(&*body), walked) {
                prop_assert!(parts >= messages(&request), "{parts} of {}", messages(&request));
            }
        }
    }

    /// The messages that were decoded, where points are of gauges and values are arrays.
    fn messages(request: &ExportMetricsServiceRequest) -> usize {
        let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
        let metrics = scopes.clone().flat_map(|scope| &scope.metrics);
        let points = metrics.clone().flat_map(|metric| match &metric.data {
            Some(Data::Gauge(gauge)) => gauge.data_points.as_slice(),
            _ => &[],
        });
        let attributes = points.clone().flat_map(|point| &point.attributes);
        let values: usize = attributes.clone().filter_map(|attribute| attribute.value.as_ref()).map(values).sum();
        let data = metrics.clone().filter(|metric| metric.data.is_some()).count();
        let around = request.resource_metrics.len() + scopes.count() + metrics.count() + data;
        around + points.count() + attributes.count() + values
    }

    /// A value with the arrays in it and their values.
    fn values(value: &AnyValue) -> usize {
        match &value.value {
            Some(Value::ArrayValue(array)) => 2 + array.values.iter().map(values).sum::<usize>(),
            _ => 1,
        }
    }

    #[test]
    fn what_lies_too_deep_or_is_too_much_is_refused() {
        let attributes = vec![KeyValue { key: "k".to_owned(), value: Some(array(60)), key_strindex: 0 }];
        let deep = body(vec![NumberDataPoint { attributes, ..Default::default() }]);
        assert!(check(Encoding::Protobuf, &deep).is_err());
        assert!(check(Encoding::Protobuf, &body(vec![NumberDataPoint::default(); PARTS_MAX - 4])).is_ok());
        assert!(check(Encoding::Protobuf, &body(vec![NumberDataPoint::default(); PARTS_MAX - 3])).is_err());
        assert!(check(Encoding::Json, "{}".repeat(PARTS_MAX + 1).as_bytes()).is_err());
    }
}
