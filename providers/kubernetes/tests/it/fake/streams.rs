//! Answers that go on: watches, and logs that are followed.

use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::unfold;
use hyper::body::{Bytes, Frame};
use tokio::sync::watch as signal;
use tokio::time::Instant;

use super::Shared;
use super::http::Cut;
use super::logs::Reading;
use super::watch::{Told, Watching};

type Part = Result<Frame<Bytes>, Cut>;

fn part(bytes: Vec<u8>) -> Part {
    Ok(Frame::data(Bytes::from(bytes)))
}

/// A watch that is told; it is counted as long as somebody listens.
struct Open {
    shared: Arc<Shared>,
    watching: Watching,
    changed: signal::Receiver<u64>,
    over: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.act(|world| world.watches.open -= 1);
    }
}

/// What a watch tells.
pub(super) fn watch(shared: Arc<Shared>, watching: Watching) -> impl Stream<Item = Part> {
    let changed = shared.changed.subscribe();
    let open = Open { shared, watching, changed, over: false };
    unfold(open, |mut open| async move {
        if open.over {
            return None;
        }
        loop {
            // What changes from here on wakes it.
            open.changed.mark_unchanged();
            let Open { shared, watching, .. } = &mut open;
            let (told, pause) = shared.act(|world| (world.tell(watching), world.settings.pace.bookmark));
            match told {
                Told::Lines(lines) => return Some((part(lines), open)),
                Told::Last(lines) => {
                    open.over = true;
                    return Some((part(lines), open));
                }
                Told::End => return None,
                Told::Cut => {
                    open.over = true;
                    return Some((Err(Cut), open));
                }
                Told::Nothing(ends) => {
                    let mark = Instant::now() + pause;
                    let until = ends.map_or(mark, |ends| ends.min(mark));
                    let idle = tokio::select! {
                        _ = open.changed.changed() => false,
                        () = tokio::time::sleep_until(until) => true,
                    };
                    let Open { shared, watching, .. } = &mut open;
                    if idle && let Some(mark) = shared.act(|world| world.mark(watching)) {
                        return Some((part(mark), open));
                    }
                }
            }
        }
    })
}

/// What a container writes.
pub(super) fn follow(shared: Arc<Shared>, reading: Reading) -> impl Stream<Item = Part> {
    let changed = shared.changed.subscribe();
    unfold((shared, reading, changed), |(shared, mut reading, mut changed)| async move {
        loop {
            changed.mark_unchanged();
            let (lines, over) = shared.act(|world| (world.read_log(&mut reading), world.is_read(&reading)));
            if !lines.is_empty() {
                return Some((part(lines), (shared, reading, changed)));
            }
            if over || changed.changed().await.is_err() {
                return None;
            }
        }
    })
}
