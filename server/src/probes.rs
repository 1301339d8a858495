//! Whether the server lives, and whether it can do what it is asked.

use axum::extract::State;
use axum::http::StatusCode;
use landlord_api::Code;

use crate::refused::Refused;
use crate::served::Served;

/// The process answers.
pub(crate) async fn healthz() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// An engine takes commands, and its store can be read.
pub(crate) async fn readyz(State(served): State<Served>) -> Result<StatusCode, Refused> {
    if let Some(why) = served.commands()?.ended() {
        return Err(Refused::new(Code::Closed, why.to_string()));
    }
    served.reads().head().await?;
    Ok(StatusCode::NO_CONTENT)
}
