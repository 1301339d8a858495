//! `get`: a tenant's spec, as it can be applied again.

use landlord_compute::TenantComputeSpec;
use landlord_compute::machines::id::{SpecVersion, TenantId};

use super::args::Format;
use super::failure::Failure;
use super::place::Place;
use super::screen::{Screen, yaml};

/// Prints the spec that a tenant runs, or one that it had.
pub(crate) async fn get(
    screen: &Screen,
    place: &Place,
    what: &[String],
    at: Option<SpecVersion>,
) -> Result<(), Failure> {
    let tenant = tenant(what)?;
    let look = place.look().await?;
    let runs = look.tenant(&tenant).await?.tenant.spec;
    let version = at.or(runs).ok_or_else(|| Failure::NoneRuns(tenant.clone()))?;
    let spec = look.spec(&tenant, version).await?.spec;
    if screen.format() == Format::Json {
        return screen.print(&spec.to_string());
    }
    // In the order of its fields, and not of their names. A spec of an older build may break a rule of this one.
    let in_order = TenantComputeSpec::from_json(&spec.to_string());
    let text = match &in_order {
        Ok(spec) => yaml(spec)?,
        Err(_) => yaml(&spec)?,
    };
    let is = if runs == Some(version) { "which runs" } else { "which does not run now" };
    screen.print(&format!(
        "# Spec {version} of tenant {tenant}, {is}. The values of its secrets are not part of a spec.\n{text}"
    ))
}

/// `TENANT`, or `spec TENANT`.
fn tenant(what: &[String]) -> Result<TenantId, Failure> {
    let name = match what {
        [name] => name,
        [what, name] if what == "spec" => name,
        _ => {
            let usage = "there is only `landlord-compute get TENANT`, or `landlord-compute get spec TENANT`";
            return Err(Failure::Usage(usage.to_owned()));
        }
    };
    TenantId::new(name.as_str()).map_err(|error| Failure::Usage(error.to_string()))
}
