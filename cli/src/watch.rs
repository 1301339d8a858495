//! `list --watch`: the list again, when something changed.

use std::collections::BTreeMap;
use std::time::Duration;

use console::{Term, truncate_str};
use futures_util::StreamExt;
use jiff::Timestamp;
use landlord_api::TenantView;
use landlord_client::EventsQuery;
use landlord_compute::machines::id::TenantId;
use serde_json::json;
use tokio::time::sleep;

use super::args::Format;
use super::failure::Failure;
use super::list::{self, Listed, Listing};
use super::patience::LOOK;
use super::place::Place;
use super::screen::Screen;
use super::signals::Signals;
use super::words;

/// How often a list in a terminal is drawn where nothing changes: it says how long ago things happened.
const AGES: Duration = Duration::from_secs(5);

/// Shows the list, and what changes in it, until Ctrl-C.
pub(crate) async fn watch(screen: &Screen, place: &Place, asked: &Listing) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let mut shown = Shown::on(screen);
    loop {
        let look = place.look().await?;
        let mut events = look.events(None, &EventsQuery::default()).await?.ready_chunks(512);
        loop {
            shown.show(asked.of(&look).await?)?;
            // What happens meanwhile is shown with the next list.
            tokio::select! {
                () = sleep(LOOK) => {}
                _ = signals.next() => return Ok(()),
            }
            let more = tokio::select! {
                more = events.next() => more,
                () = sleep(AGES), if shown.is_drawn() => continue,
                _ = signals.next() => return Ok(()),
            };
            match more {
                Some(messages) => messages.into_iter().try_for_each(|message| message.map(drop))?,
                None => break,
            }
        }
        // The server has ended; its store is still there, and another server may come.
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = signals.next() => return Ok(()),
        }
    }
}

/// What was shown so far.
enum Shown<'a> {
    /// A list in the place of the one before, of so many lines.
    Drawn { screen: &'a Screen, term: Term, lines: usize },
    /// A line for each change.
    Lines { screen: &'a Screen, last: BTreeMap<TenantId, TenantView> },
}

impl<'a> Shown<'a> {
    fn on(screen: &'a Screen) -> Self {
        let term = Term::stdout();
        match screen.format() {
            Format::Table | Format::Wide if term.is_term() => Self::Drawn { screen, term, lines: 0 },
            Format::Table | Format::Wide | Format::Name | Format::Json | Format::Yaml => {
                Self::Lines { screen, last: BTreeMap::new() }
            }
        }
    }

    fn is_drawn(&self) -> bool {
        matches!(self, Self::Drawn { .. })
    }

    fn show(&mut self, listed: Listed) -> Result<(), Failure> {
        match self {
            Self::Drawn { screen, term, lines } => {
                let text = screen.complete(&list::text(&listed, screen.format(), Timestamp::now()));
                *lines = draw(term, *lines, &text).map_err(Failure::Output)?;
                Ok(())
            }
            Self::Lines { screen, last } => {
                let mut now = BTreeMap::new();
                for view in listed.tenants {
                    if last.remove(&view.tenant_id).as_ref() != Some(&view) {
                        screen.show_one(&json!({ "tenant": view }), || line(screen.format(), &view))?;
                    }
                    now.insert(view.tenant_id.clone(), view);
                }
                for id in std::mem::replace(last, now).into_keys() {
                    screen.show_one(&json!({ "gone": id }), || gone(screen.format(), &id))?;
                }
                Ok(())
            }
        }
    }
}

/// Draws a text over the one before; as much of it as there is room for. Says how many lines that are.
fn draw(term: &Term, before: usize, text: &str) -> std::io::Result<usize> {
    let (height, width) = term.size();
    let room = usize::from(height).saturating_sub(1).max(2);
    let all: Vec<&str> = text.trim_end().lines().collect();
    let mut lines: Vec<String> =
        all.iter().map(|line| truncate_str(line, width.into(), "…").into_owned()).collect();
    if lines.len() > room {
        lines.truncate(room - 1);
        lines.push(format!("… {} more lines; a filter shows fewer", all.len() + 1 - room));
    }
    term.clear_last_lines(before.min(room))?;
    lines.iter().try_for_each(|line| term.write_line(line))?;
    Ok(lines.len())
}

fn line(format: Format, view: &TenantView) -> String {
    if format == Format::Name {
        return view.tenant_id.to_string();
    }
    let now = Timestamp::now();
    let spec = view.spec.map_or_else(|| "-".to_owned(), |spec| spec.to_string());
    let (state, health) = (view.state.as_str(), words::health(view.health));
    let remark = list::remark(view, now);
    format!("{}  {}  {state:<12}  {health:<9}  {spec:<4}  {remark}", words::clock(now), view.tenant_id)
        .trim_end()
        .to_owned()
}

fn gone(format: Format, id: &TenantId) -> String {
    if format == Format::Name {
        id.to_string()
    } else {
        format!("{}  {id}  gone", words::clock(Timestamp::now()))
    }
}
