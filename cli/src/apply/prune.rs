//! Whom `apply --prune` destroys.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};

use landlord_api::LabelSelector;
use landlord_client::ListQuery;
use landlord_compute::machines::id::TenantId;

use super::super::failure::Failure;
use super::super::list;
use super::super::place::Place;
use super::super::screen::Screen;

/// How many names are in a question.
const NAMES: usize = 20;

/// The living tenants that are selected, or all, but for those that are named.
pub(super) async fn find<'t>(
    place: &Place,
    selector: Option<&LabelSelector>,
    named: impl Iterator<Item = &'t TenantId>,
) -> Result<Vec<TenantId>, Failure> {
    let named: BTreeSet<&TenantId> = named.collect();
    let mut query = ListQuery::default();
    query.label = selector.cloned();
    let listed = list::all(&place.look_if_there().await, query).await?;
    let found = listed.tenants.into_iter().map(|view| view.tenant_id);
    Ok(found.filter(|tenant| !named.contains(tenant)).collect())
}

/// Asks a person, and goes on where that is told to.
///
/// # Errors
/// It is not to be done, or there is nobody to be asked.
pub(super) fn confirm(screen: &Screen, found: &[TenantId], yes: bool) -> Result<(), Failure> {
    if found.is_empty() || yes {
        return Ok(());
    }
    let mut names: Vec<&str> = found.iter().take(NAMES).map(TenantId::as_str).collect();
    let more = format!("and {} more", found.len().saturating_sub(NAMES));
    if found.len() > NAMES {
        names.push(&more);
    }
    let what = match found {
        [one] => format!("tenant {one}, which is in no file"),
        several => format!("{} tenants, which are in no file: {}", several.len(), names.join(", ")),
    };
    let refused = |why: &str| Err(Failure::Usage(format!("--prune would destroy {what}; {why}")));
    if screen.is_for_programs() || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return refused("nothing was sent; say --yes");
    }
    let ask = || {
        write!(io::stderr(), "Destroy {what}? [y/N] ")?;
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|source| Failure::System { doing: "ask", source })?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => refused("that was not wanted, and nothing was sent"),
    }
}
