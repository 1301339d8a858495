//! `logs`: what a tenant's containers print.

use std::io::IsTerminal;

use futures_util::StreamExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use landlord_api::{LogDocument, Source};
use landlord_client::LogsQuery;
use landlord_compute::machines::id::TenantId;
use serde_json::json;

use super::failure::Failure;
use super::place::Place;
use super::screen::Screen;
use super::signals::Signals;

/// Shows what a tenant's containers printed, and with `follow` what they print.
pub(crate) async fn logs(
    screen: &Screen,
    place: &Place,
    id: &TenantId,
    query: LogsQuery,
) -> Result<(), Failure> {
    let look = place.look().await?;
    let mut signals = Signals::listen()?;
    let mut lines = look.logs(id, &query).await?;
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            _ = signals.next() => return Ok(()),
        };
        match line {
            None => return Ok(()),
            Some(line) => print(screen, &line?)?,
        }
    }
}

fn print(screen: &Screen, line: &LogDocument) -> Result<(), Failure> {
    let source = match line.source {
        Source::Stdout => "stdout",
        Source::Stderr => "stderr",
    };
    let document = json!({ "at": line.at, "container": line.container, "source": source, "text": line.text });
    screen.show_one(&document, || {
        let at = line.at.map(local).unwrap_or_default();
        // What a tenant prints may be meant for its own terminal, and not for this one.
        let text: String = match std::io::stdout().is_terminal() {
            true => line.text.chars().filter(|char| *char == '\t' || !char.is_control()).collect(),
            false => line.text.clone(),
        };
        format!("{at} {} {source} {text}", line.container)
    })
}

/// A time in the zone of the machine, to the millisecond.
fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}
