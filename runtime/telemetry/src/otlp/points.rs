use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    metrics::v1::{
        AggregationTemporality, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, metric::Data,
        number_data_point,
    },
};

use super::exponential;
use crate::store::{Counts, Kind, Refusal, Taken, Value};

/// The flag of a point that says only that there is no value.
const NO_RECORDED_VALUE: u32 = 1;

/// How sums and counts are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Temporality {
    Cumulative,
    Delta,
}

/// A point, with its value or why there is none. No value at all: the point only says that the series is silent.
pub(super) struct Point<'a> {
    pub(super) attributes: &'a [KeyValue],
    pub(super) taken: Taken,
    pub(super) value: Result<Option<Value>, Refusal>,
}

/// What a metric is here. A sum that may fall is a gauge to Prometheus and to everybody who asks.
pub(super) fn kind(data: &Data) -> Kind {
    match data {
        Data::Sum(sum) if sum.is_monotonic => Kind::Counter,
        Data::Histogram(_) | Data::ExponentialHistogram(_) => Kind::Histogram,
        Data::Gauge(_) | Data::Sum(_) | Data::Summary(_) => Kind::Gauge,
    }
}

/// The points of a metric.
pub(super) fn points(data: &Data) -> Box<dyn Iterator<Item = Point<'_>> + '_> {
    match data {
        Data::Gauge(gauge) => {
            Box::new(gauge.data_points.iter().map(|point| number(point, |value, _| Ok(Value::Now(value)))))
        }
        Data::Sum(sum) => {
            let temporality = temporality(sum.aggregation_temporality);
            let monotonic = sum.is_monotonic;
            Box::new(
                sum.data_points.iter().map(move |point| {
                    number(point, |value, started| sum_value(value, started, temporality?, monotonic))
                }),
            )
        }
        Data::Histogram(histogram) => {
            let temporality = temporality(histogram.aggregation_temporality);
            Box::new(histogram.data_points.iter().map(move |point| explicit(point, temporality)))
        }
        Data::ExponentialHistogram(histogram) => {
            let temporality = temporality(histogram.aggregation_temporality);
            Box::new(histogram.data_points.iter().map(move |point| exponential(point, temporality)))
        }
        Data::Summary(summary) => Box::new(
            summary
                .data_points
                .iter()
                .map(|point| of(&point.attributes, point.time_unix_nano, Err(Refusal::Unsupported))),
        ),
    }
}

fn temporality(code: i32) -> Result<Temporality, Refusal> {
    match AggregationTemporality::try_from(code) {
        Ok(AggregationTemporality::Cumulative) => Ok(Temporality::Cumulative),
        Ok(AggregationTemporality::Delta) => Ok(Temporality::Delta),
        Ok(AggregationTemporality::Unspecified) | Err(_) => Err(Refusal::Malformed),
    }
}

fn of(attributes: &[KeyValue], time_unix_nano: u64, value: Result<Option<Value>, Refusal>) -> Point<'_> {
    Point { attributes, taken: Taken(time_unix_nano), value }
}

fn number(point: &NumberDataPoint, value: impl FnOnce(f64, u64) -> Result<Value, Refusal>) -> Point<'_> {
    let value = match point.value {
        _ if point.flags & NO_RECORDED_VALUE != 0 => Ok(None),
        Some(number_data_point::Value::AsDouble(number)) => value(number, point.start_time_unix_nano).map(Some),
        Some(number_data_point::Value::AsInt(number)) => value(number as f64, point.start_time_unix_nano).map(Some),
        None => Err(Refusal::Malformed),
    };
    of(&point.attributes, point.time_unix_nano, value)
}

fn sum_value(value: f64, started: u64, temporality: Temporality, monotonic: bool) -> Result<Value, Refusal> {
    match temporality {
        Temporality::Delta => Ok(Value::More(value)),
        Temporality::Cumulative if monotonic => Ok(Value::Total { value, started }),
        Temporality::Cumulative => Ok(Value::Now(value)),
    }
}

fn explicit(point: &HistogramDataPoint, temporality: Result<Temporality, Refusal>) -> Point<'_> {
    let value = || {
        // Without buckets the count is all that is known: one bucket without a bound.
        let unbucketed = point.bucket_counts.is_empty() && point.explicit_bounds.is_empty();
        let buckets = if unbucketed { [point.count].into() } else { point.bucket_counts.as_slice().into() };
        let counts = Counts { sum: point.sum.unwrap_or(0.0), buckets };
        if counts.count() != point.count {
            return Err(Refusal::Malformed);
        }
        let started = started(temporality?, point.start_time_unix_nano);
        Ok(Value::Counts { bounds: point.explicit_bounds.as_slice().into(), counts, started })
    };
    let silent = point.flags & NO_RECORDED_VALUE != 0;
    of(&point.attributes, point.time_unix_nano, if silent { Ok(None) } else { value().map(Some) })
}

fn exponential(point: &ExponentialHistogramDataPoint, temporality: Result<Temporality, Refusal>) -> Point<'_> {
    let value = || {
        let started = started(temporality?, point.start_time_unix_nano);
        Ok(Value::Counts { bounds: exponential::bounds(), counts: exponential::counts(point)?, started })
    };
    let silent = point.flags & NO_RECORDED_VALUE != 0;
    of(&point.attributes, point.time_unix_nano, if silent { Ok(None) } else { value().map(Some) })
}

fn started(temporality: Temporality, start_time_unix_nano: u64) -> Option<u64> {
    (temporality == Temporality::Cumulative).then_some(start_time_unix_nano)
}
