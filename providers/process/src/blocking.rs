//! Reading what may be slow, away from the threads that run everybody's futures.

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};

/// Runs `read` on a blocking thread. It may run to its end after the caller's future was dropped, so it must not
/// change anything.
pub(super) async fn read<T: Send + 'static>(
    what: &'static str,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ProviderError> {
    tokio::task::spawn_blocking(read).await.map_err(|cut_off| {
        let message = format!("{what} was cut off; try again");
        ProviderError::new(ErrorKind::ProvisionFailed, Remedy::Retry, ErrorCode::UnknownError, message)
            .with_source(cut_off)
    })
}
