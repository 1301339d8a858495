//! Answers without an end: events and logs.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use eventsource_stream::{Event, EventStreamError, Eventsource};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use http::Response;
use http_body_util::{BodyDataStream, BodyExt};
use landlord_api::{CloudEvent, Cursor, Gap, LogDocument, Problem};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Body, BoxError, ClientError};

/// The header that says where a stream begins.
const CURSOR: &str = "landlord-cursor";

/// What a stream of events tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// An event.
    Event(Box<CloudEvent>),
    /// Events are missing here, because the store no longer keeps them.
    Gap(Gap),
}

impl Message {
    /// Where it stands: subscribe from here to go on after it.
    pub fn cursor(&self) -> &Cursor {
        match self {
            Self::Event(event) => &event.id,
            Self::Gap(gap) => &gap.resume,
        }
    }
}

/// What happens, until the stream ends or is dropped.
pub struct Events {
    begins: Cursor,
    messages: BoxStream<'static, Result<Message, ClientError>>,
}

impl Events {
    pub(crate) fn of(response: Response<Body>) -> Result<Self, ClientError> {
        let begins = response.headers().get(CURSOR).and_then(|cursor| cursor.to_str().ok()?.parse().ok());
        let begins = begins.ok_or_else(|| ClientError::NotUnderstood(format!("it has no {CURSOR}")))?;
        let sent = BodyDataStream::new(response.into_body()).eventsource();
        Ok(Self { begins, messages: sent.map(message).boxed() })
    }

    /// Where it begins: subscribe again from here, or from the last event, to miss nothing.
    pub fn begins(&self) -> &Cursor {
        &self.begins
    }
}

impl Stream for Events {
    type Item = Result<Message, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.poll_next_unpin(cx)
    }
}

fn message(sent: Result<Event, EventStreamError<BoxError>>) -> Result<Message, ClientError> {
    let sent = sent.map_err(|error| match error {
        EventStreamError::Transport(error) => ClientError::Unreachable(error),
        other @ (EventStreamError::Utf8(_) | EventStreamError::Parser(_)) => {
            ClientError::NotUnderstood(other.to_string())
        }
    })?;
    match sent.event.as_str() {
        "gap" => Ok(Message::Gap(read(sent.data.as_bytes())?)),
        "problem" => Err(read::<Problem>(sent.data.as_bytes())?.into()),
        _ => Ok(Message::Event(Box::new(read(sent.data.as_bytes())?))),
    }
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(json).map_err(|error| ClientError::NotUnderstood(error.to_string()))
}

/// One line of logs, or why there are no more.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Problem { problem: Problem },
    Log(LogDocument),
}

/// A body of JSON Lines.
pub(crate) fn logs(body: Body) -> BoxStream<'static, Result<LogDocument, ClientError>> {
    let lines = stream::unfold(Some((body, BytesMut::new())), |state| async {
        let (mut body, mut buffer) = state?;
        loop {
            if let Some(line) = line(&mut buffer) {
                return Some((Ok(line), Some((body, buffer))));
            }
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Some((Err(ClientError::Unreachable(error)), None)),
                None if buffer.is_empty() => return None,
                None => {
                    let cut = "the last line is cut off".to_owned();
                    return Some((Err(ClientError::NotUnderstood(cut)), None));
                }
            }
        }
    });
    lines
        .map(|line| match read(&line?)? {
            Line::Problem { problem } => Err(problem.into()),
            Line::Log(line) => Ok(line),
        })
        .boxed()
}

/// The first whole line, without its end.
fn line(buffer: &mut BytesMut) -> Option<Bytes> {
    let end = buffer.iter().position(|byte| *byte == b'\n')?;
    let line = buffer.split_to(end).freeze();
    buffer.advance(1);
    Some(line)
}
