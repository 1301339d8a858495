//! CloudWatch, as far as containers write to it.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::home::{Home, Now};
use super::wire::{Answer, Refusal, text};
use super::{ACCOUNT, Fake, REGION};

/// How many events are on a page.
const PAGE: usize = 2;

/// A line of a stream.
#[derive(Clone, Debug)]
pub(super) struct Event {
    group: String,
    stream: String,
    at: Instant,
    message: String,
}

impl Fake {
    /// A container writes a line.
    pub(crate) fn write(&self, group: &str, stream: &str, message: &str) {
        let (group, stream, message) = (group.to_owned(), stream.to_owned(), message.to_owned());
        let event = Event { group, stream, at: Instant::now(), message };
        self.lock().home(ACCOUNT, REGION).logs.push(event);
    }
}

impl Home {
    pub(super) fn filter_log_events(&mut self, now: &Now, body: &Value) -> Answer {
        let (group, prefix) = (text(body, "logGroupName"), text(body, "logStreamNamePrefix"));
        let millisecond =
            |event: &Event| (now.stamp(event.at).as_f64().unwrap_or_default() * 1000.0).round() as i64;
        if !self.logs.iter().any(|event| Some(&*event.group) == group) {
            let message = "The specified log group does not exist.";
            return Err(Refusal::new("ResourceNotFoundException", message));
        }
        let since = body["startTime"].as_i64().unwrap_or(i64::MIN);
        let wanted = self.logs.iter().enumerate().filter(|(_, event)| {
            Some(&*event.group) == group
                && event.stream.starts_with(prefix.unwrap_or_default())
                && millisecond(event) >= since
        });
        let first = text(body, "nextToken").map_or(0, |token| token.parse().unwrap_or_default());
        let shown = |(id, event): (usize, &Event)| {
            json!({ "eventId": id.to_string(), "logStreamName": event.stream, "message": event.message,
                "timestamp": millisecond(event) })
        };
        let all: Vec<Value> = wanted.map(shown).collect();
        let page: Vec<Value> = all.iter().skip(first).take(PAGE).cloned().collect();
        let next = (first + PAGE < all.len()).then(|| (first + PAGE).to_string());
        Ok(json!({ "events": page, "nextToken": next }))
    }
}
