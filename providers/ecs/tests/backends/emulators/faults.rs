//! What microburst does to the calls of a test.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::http;

/// A call that goes wrong.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// As the API names it, `CreateService`; none is every operation.
    pub(crate) operation: Option<&'static str>,
    pub(crate) fault: Fault,
    pub(crate) when: When,
}

#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// ThrottlingException "Rate exceeded", HTTP 400.
    Throttled,
    /// The emulator never sees the call.
    Error { status: u16, code: &'static str, message: &'static str },
    /// The connection is reset; the emulator never sees the call.
    Reset,
    /// The emulator does what it was asked, its answer is cut off.
    AnswerLost,
    /// The emulator gets the call this much later.
    Slow(Duration),
}

#[derive(Clone, Debug)]
pub(crate) enum When {
    Always,
    /// The first calls that the rule fits, then never again.
    First(u32),
    /// So many fail, then so many pass, and again.
    Sequence {
        fail: u32,
        pass: u32,
    },
    /// Of each call, 0 to 1.
    Probability(f64),
}

/// Rules in force until it is dropped.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    microburst: &'a str,
    /// The expression that all of its rules have, and no others.
    body: String,
}

impl<'a> Rules<'a> {
    /// Of several rules that fit a call the first one wins, and those set earlier come first.
    pub(super) fn set(microburst: &'a str, scope: &str, rules: &[Rule]) -> Self {
        assert!(
            !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
            "a scope is letters, digits and hyphens, unlike {scope:?}"
        );
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // JMESPath. The number is always true; it tells these rules from others of the same scope.
        let body = format!("contains(to_string(@), '{scope}') && '{number}'");
        let rules: Vec<Value> = rules.iter().map(|rule| described(rule, &body)).collect();
        control(microburst, "PATCH", "rules", &json!(rules));
        Self { microburst, body }
    }

    /// How many calls its rules have met.
    pub(crate) fn met(&self) -> u64 {
        let rules = control(self.microburst, "GET", "rules", &Value::Null);
        let own = rules.as_array().into_iter().flatten().filter(|rule| rule["body"] == self.body.as_str());
        own.filter_map(|rule| rule["fired_count"].as_u64()).sum()
    }
}

impl Drop for Rules<'_> {
    fn drop(&mut self) {
        // Once the test fails anyway, a microburst that does not answer is not worth an abort.
        if !std::thread::panicking() {
            control(self.microburst, "DELETE", "rules", &json!([{ "body": self.body }]));
        }
    }
}

fn described(rule: &Rule, body: &str) -> Value {
    let mut value = json!({ "body": body });
    if let Some(operation) = rule.operation {
        value["operation"] = json!(operation);
    }
    match rule.when {
        When::Always => {}
        When::First(times) => value["times"] = json!(times),
        When::Sequence { fail, pass } => value["sequence"] = json!({ "fail": fail, "pass": pass }),
        When::Probability(probability) => value["probability"] = json!(probability),
    }
    match &rule.fault {
        Fault::Throttled => {
            value["error"] =
                json!({ "status": 400, "code": "ThrottlingException", "message": "Rate exceeded" });
        }
        Fault::Error { status, code, message } => {
            value["error"] = json!({ "status": status, "code": code, "message": message });
        }
        Fault::Reset => value["reset"] = json!(true),
        Fault::AnswerLost => value["response"] = json!({ "abort_bytes": 0 }),
        Fault::Slow(by) => value["latency"] = json!(by.as_secs_f64() * 1000.0),
    }
    value
}

/// Asks microburst itself.
fn control(microburst: &str, method: &str, what: &str, body: &Value) -> Value {
    let body = body.to_string();
    let answer = http::send(microburst, method, &format!("/_microburst/{what}"), &[], body.as_bytes());
    let answer = answer.unwrap_or_else(|error| panic!("microburst at {microburst} does not answer: {error}"));
    assert_eq!(answer.status, 200, "microburst refuses {method} {what} of {body}: {answer:?}");
    answer.json()
}
