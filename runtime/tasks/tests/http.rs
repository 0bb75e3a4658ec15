//! The tasks over HTTP: every route, every error in its one shape.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Serving, job, job_with};
use switchyard_types::FigureValue;

struct Http<'a>(&'a Serving, reqwest::Client);

impl<'a> Http<'a> {
    fn new(serving: &'a Serving) -> Self {
        Self(serving, reqwest::Client::new())
    }

    async fn call(&self, method: Method, path: &str, body: Option<String>) -> (StatusCode, Value) {
        let request = self.1.request(method, format!("http://{}{path}", self.0.http));
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect(&text) })
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    async fn push(&self, job: String) -> u64 {
        let (status, body) = self.call(Method::POST, "/v1/tasks", Some(job)).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["id"].as_u64().unwrap()
    }

    async fn check_error(&self, method: Method, path: &str, body: Option<String>, expected: (u16, &str, &str)) {
        let (status, error) = self.call(method, path, body).await;
        let (code, message) = (error["code"].as_str().unwrap(), error["message"].as_str().unwrap());
        assert!(
            (status.as_u16(), code) == (expected.0, expected.1) && message.contains(expected.2),
            "{path}: {status} {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_pushed_read_and_deleted() {
    let serving = Serving::start();
    let http = Http::new(&serving);
    let id = http.push(job_with("aaaaaaaa", ",\n\"priority\":7,\"custom\":{\"x\":[1]}")).await;
    let task = http.get(&format!("/v1/tasks/{id}")).await;
    assert_eq!((&task["jid"], &task["state"], &task["priority"]), (&json!("aaaaaaaa"), &json!("waiting"), &json!(7)));
    assert_eq!(task["job"]["custom"], json!({ "x": [1] }));
    let mut worker = serving.client(Some("worker-1"));
    assert!(worker.say("FETCH default").contains("aaaaaaaa"));
    let held = http.get(&format!("/v1/tasks/{id}")).await;
    assert_eq!((&held["state"], &held["worker"]), (&json!("leased"), &json!("worker-1")));
    assert!(held["left_ms"].as_u64().unwrap() <= 1_800_000);
    let (status, _) = http.call(Method::DELETE, &format!("/v1/tasks/{id}"), None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(worker.say(r#"ACK {"jid":"aaaaaaaa"}"#), "+OK");
    assert_eq!(serving.tasks.figures().late, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_go_on_where_they_ended() {
    let serving = Serving::start();
    let http = Http::new(&serving);
    for n in 0..10 {
        let queue = if n % 2 == 0 { "even" } else { "odd" };
        http.push(job_with(&format!("job-{n:04}"), &format!(",\"queue\":\"{queue}\""))).await;
    }
    let (mut found, mut path) = (Vec::new(), "/v1/tasks?queue=odd&limit=2".to_owned());
    loop {
        let page = http.get(&path).await;
        found.extend(page["items"].as_array().unwrap().iter().map(|task| task["jid"].as_str().unwrap().to_owned()));
        let Some(next) = page.get("continue") else { break };
        path = format!("/v1/tasks?queue=odd&limit=2&continue={}", next.as_str().unwrap());
    }
    assert_eq!(found, ["job-0001", "job-0003", "job-0005", "job-0007", "job-0009"]);
    assert_eq!(http.get("/v1/tasks?state=dead").await["items"], json!([]));
    assert_eq!(http.get("/v1/tasks").await["items"].as_array().unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_task_is_sent_back() {
    let serving = Serving::start();
    let http = Http::new(&serving);
    let id = http.push(job_with("aaaaaaaa", ",\"retry\":-1")).await;
    let mut worker = serving.client(Some("worker-1"));
    worker.say("FETCH default");
    let retry = format!("/v1/tasks/{id}/retry");
    http.check_error(Method::POST, &retry, None, (409, "conflict", "a worker holds task 1")).await;
    worker.say(r#"FAIL {"jid":"aaaaaaaa","errtype":"E","message":"m"}"#);
    let dead = http.get(&format!("/v1/tasks/{id}")).await;
    assert_eq!((&dead["state"], &dead["failure"]["message"]), (&json!("dead"), &json!("m")));
    let (status, task) = http.call(Method::POST, &retry, None).await;
    assert_eq!((status, &task["state"]), (StatusCode::OK, &json!("waiting")));
    http.check_error(Method::POST, &retry, None, (409, "conflict", "waits")).await;
    assert!(worker.say("FETCH default").contains("aaaaaaaa"));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_one_shape() {
    let serving = Serving::start_with(|config| config.tasks_max = 1);
    let http = Http::new(&serving);
    for path in ["/v1/tasks/7", "/v1/tasks/x", "/v1/tasks/-1", "/v1/tasks/99999999999999999999"] {
        http.check_error(Method::GET, path, None, (404, "not-found", "there is no")).await;
        http.check_error(Method::DELETE, path, None, (404, "not-found", "there is no")).await;
        http.check_error(Method::POST, &format!("{path}/retry"), None, (404, "not-found", "there is no")).await;
    }
    for query in ["limit=0", "limit=501", "limit=x", "state=asleep", "nosuch=1", "continue=x"] {
        http.check_error(Method::GET, &format!("/v1/tasks?{query}"), None, (400, "invalid-request", "")).await;
    }
    for body in ["", "{", "[]", "{\"jid\":\"aaaaaaaa\"}"] {
        http.check_error(Method::POST, "/v1/tasks", Some(body.into()), (400, "invalid-request", "")).await;
    }
    let large = job_with("aaaaaaaa", &format!(",\"custom\":{{\"x\":\"{}\"}}", "x".repeat(2 << 20)));
    http.check_error(Method::POST, "/v1/tasks", Some(large), (413, "too-large", "")).await;
    http.push(job("aaaaaaaa")).await;
    http.check_error(Method::POST, "/v1/tasks", Some(job("bbbbbbbb")), (429, "busy", "full")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_a_path_does_not_take_is_an_error_of_the_same_shape() {
    let serving = Serving::start();
    let http = Http::new(&serving);
    http.check_error(Method::DELETE, "/v1/tasks", None, (405, "method-not-allowed", "Allow")).await;
    http.check_error(Method::POST, "/v1/tasks/1", None, (405, "method-not-allowed", "Allow")).await;
}

/// What a browser sends for a page, and what a program does.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_changes_nothing() {
    let serving = Serving::start();
    let own = format!("http://{}", serving.http);
    let send = async |kind: &str, origin: Option<&str>| {
        let request = reqwest::Client::new().post(format!("{own}/v1/tasks")).header("content-type", kind);
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        request.body(job("aaaaaaaa")).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send("application/json", Some("http://evil.example")).await, 403);
    assert_eq!(send("application/json", Some("null")).await, 403);
    assert_eq!(send("text/plain", None).await, 415);
    assert_eq!(serving.tasks.figures().pushed, 0);
    assert_eq!(send("application/json", Some(&own)).await, 201);
    assert_eq!(send("application/json; charset=utf-8", None).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_takes_the_password_where_workers_need_one() {
    let serving = Serving::start_with(|config| config.password = Some("secret".into()));
    let url = format!("http://{}/v1/tasks", serving.http);
    let send = async |bearer: Option<&str>| {
        let request = reqwest::Client::new().post(&url).header("content-type", "application/json");
        let request = bearer.into_iter().fold(request, |request, bearer| request.bearer_auth(bearer));
        request.body(job("aaaaaaaa")).send().await.unwrap().status().as_u16()
    };
    assert_eq!((send(None).await, send(Some("wrong")).await, send(Some("secret")).await), (401, 401, 201));
    assert_eq!(Http::new(&serving).get("/v1/tasks").await["items"].as_array().unwrap().len(), 1, "looking is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_say_what_they_hold_and_how_long_tasks_waited() {
    let serving = Serving::start();
    let http = Http::new(&serving);
    http.push(job_with("aaaaaaaa", r#","queue":"a","custom":{"deadline":"1999-01-01T00:00:00Z"}"#)).await;
    http.push(job_with("bbbbbbbb", r#","queue":"b""#)).await;
    let mut worker = serving.client(Some("worker-1"));
    worker.say("FETCH a");
    assert_eq!(worker.say(r#"ACK {"jid":"aaaaaaaa"}"#), "+OK");
    let queues = http.get("/v1/queues").await;
    let of = |name: &str| queues["items"].as_array().unwrap().iter().find(|queue| queue["name"] == name).unwrap();
    assert_eq!((&of("a")["done"], &of("b")["waiting"]), (&json!(1), &json!(1)));
    let figures = serving.tasks.figures().list();
    let find = |name: &str| figures.iter().find(|figure| figure.to_string() == name).map(|figure| figure.value.clone());
    assert_eq!(find("tasks.deadline_missed{queue=a}"), Some(FigureValue::Counter(1.0)));
    for name in ["tasks.wait{queue=a}", "tasks.run{queue=a}"] {
        let Some(FigureValue::Histogram { buckets, .. }) = find(name) else { unreachable!("{name}") };
        assert_eq!(buckets.iter().sum::<u64>(), 1, "{name}");
    }
    assert_eq!(find("tasks.wait{queue=b}"), None, "nobody has taken its task");
}
