use axum::http::{HeaderMap, HeaderValue, header::ACCEPT};

/// The two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    OpenMetrics,
}

impl Format {
    /// What a client likes better. The text format is for everybody who does not ask for OpenMetrics by its name.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<&str> = accepted.flat_map(|value| value.split(',')).collect();
        let best = |takes: fn(&str) -> bool| {
            ranges.iter().filter(|range| takes(range)).map(|range| quality(range)).fold(0.0, f64::max)
        };
        let open = best(is_open_metrics);
        if open > 0.0 && open >= best(is_text) { Self::OpenMetrics } else { Self::Text }
    }

    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        })
    }
}

fn is_open_metrics(range: &str) -> bool {
    let version = parameter(range, "version").unwrap_or("1.0.0");
    essence(range).eq_ignore_ascii_case("application/openmetrics-text") && version == "1.0.0"
}

fn is_text(range: &str) -> bool {
    essence(range).eq_ignore_ascii_case("text/plain")
}

fn essence(range: &str) -> &str {
    range.split(';').next().unwrap_or_default().trim()
}

fn parameter<'a>(range: &'a str, name: &str) -> Option<&'a str> {
    let pairs = range.split(';').skip(1).filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v)
}

fn quality(range: &str) -> f64 {
    parameter(range, "q").map_or(1.0, |q| q.parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: Option<&'static str>, expected: Format) {
        let mut headers = HeaderMap::new();
        headers.extend(accept.map(|accept| (ACCEPT, HeaderValue::from_static(accept))));
        assert_eq!(Format::of(&headers), expected);
    }

    #[test]
    fn a_client_gets_what_it_likes_better() {
        check(None, Format::Text);
        check(Some("*/*"), Format::Text);
        check(Some("text/html"), Format::Text);
        // Prometheus 2.42.
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        check(Some(prometheus), Format::OpenMetrics);
        check(Some("text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.2"), Format::Text);
        check(Some("application/openmetrics-text;version=0.0.1"), Format::Text);
        check(Some("application/openmetrics-text;q=0"), Format::Text);
        check(Some("application/openmetrics-text;q=x"), Format::Text);
    }
}
