//! `logs`: what a tenant's containers print.

use std::io::IsTerminal;

use futures_util::StreamExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use landlord_compute::machines::id::TenantId;
use landlord_compute::provider::{LogLine, LogQuery, Source};
use serde_json::json;

use super::args::Format;
use super::exit::Failure;
use super::place::{Place, asking, living};
use super::screen::Screen;
use super::signals::Signals;

/// Shows what a tenant's containers printed, and with `follow` what they print.
pub(crate) async fn logs(
    screen: &Screen,
    place: &Place,
    id: &TenantId,
    query: LogQuery,
) -> Result<(), Failure> {
    let look = place.look()?;
    let mut signals = Signals::listen()?;
    let tenant = living(&look, id).await?;
    let Ok(provider) = place.provider(&tenant.provider) else {
        let provider = tenant.provider.to_string();
        return Err(Failure::NoProvider { tenant: id.clone(), provider });
    };
    let cx = asking(&look, &tenant).await?;
    let Some(mut lines) = provider.logs(&cx, id, &query).await? else {
        let provider = tenant.provider.to_string();
        return Err(Failure::NoLogs { tenant: id.clone(), provider });
    };
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

fn print(screen: &Screen, line: &LogLine) -> Result<(), Failure> {
    let source = match line.source {
        Source::Stdout => "stdout",
        Source::Stderr => "stderr",
    };
    match screen.format() {
        Format::Json => screen.print(
            &json!({
                "at": line.at,
                "container": line.container,
                "source": source,
                "text": line.text,
            })
            .to_string(),
        ),
        Format::Table => {
            let at = line.at.map(local).unwrap_or_default();
            // What a tenant prints may be meant for its own terminal, and not for this one.
            let text: String = match std::io::stdout().is_terminal() {
                true => line.text.chars().filter(|char| *char == '\t' || !char.is_control()).collect(),
                false => line.text.clone(),
            };
            screen.print(&format!("{at} {} {source} {text}", line.container))
        }
    }
}

/// A time in the zone of the machine, to the millisecond.
fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}
