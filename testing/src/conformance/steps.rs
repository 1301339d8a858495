//! A call watched step by step. A step ends where the call pauses to wait for something.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio_util::sync::CancellationToken;

/// Lets the call go on to its end, and counts its pauses.
pub(super) async fn counted<T>(call: impl Future<Output = T>) -> (T, usize) {
    let mut call = pin!(call);
    let mut pauses = 0;
    let done = poll_fn(|task| {
        let polled = call.as_mut().poll(task);
        pauses += usize::from(polled.is_pending());
        polled
    });
    (done.await, pauses)
}

/// Cancels at a pause, or before the call begins where that is 0, and lets the call go on to its end.
pub(super) async fn cancelled<T>(call: impl Future<Output = T>, cancel: &CancellationToken, at: usize) -> T {
    let mut call = pin!(call);
    let mut pauses = 0;
    if at == 0 {
        cancel.cancel();
    }
    poll_fn(|task| {
        let polled = call.as_mut().poll(task);
        pauses += usize::from(polled.is_pending());
        if pauses == at {
            cancel.cancel();
        }
        polled
    })
    .await
}

/// Drops the call at a pause; `None` when it did not end before.
pub(super) async fn dropped<T>(call: impl Future<Output = T>, at: usize) -> Option<T> {
    let mut call = pin!(call);
    let mut pauses = 0;
    poll_fn(|task| match call.as_mut().poll(task) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => {
            pauses += 1;
            if pauses >= at { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

/// At most `most` numbers of `from..=to`, spread evenly, the first and the last among them.
pub(super) fn spread(from: usize, to: usize, most: usize) -> Vec<usize> {
    let all = (to + 1).saturating_sub(from);
    match (all, most.max(1)) {
        (all, most) if all <= most => (from..=to).collect(),
        (_, 1) => vec![from],
        (all, most) => (0..most).map(|n| from + n * (all - 1) / (most - 1)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pauses(times: usize) -> usize {
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
        times
    }

    #[tokio::test]
    async fn a_call_ends_or_is_dropped_at_its_pause() {
        assert_eq!(counted(pauses(3)).await, (3, 3));
        assert_eq!(dropped(pauses(3), 3).await, None);
        assert_eq!(dropped(pauses(3), 4).await, Some(3));
        let cancel = CancellationToken::new();
        assert_eq!(cancelled(pauses(3), &cancel, 4).await, 3);
        assert!(!cancel.is_cancelled());
        assert_eq!(cancelled(pauses(3), &cancel, 3).await, 3);
        assert!(cancel.is_cancelled());
    }

    #[test]
    fn steps_are_spread_over_the_whole_call() {
        assert_eq!(spread(0, 3, 8), [0, 1, 2, 3]);
        assert_eq!(spread(1, 100, 4), [1, 34, 67, 100]);
        assert_eq!(spread(1, 0, 4), [0; 0]);
        assert_eq!(spread(2, 9, 1), [2]);
    }
}
