//! How what is written on the command line is read.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use landlord_compute::machines::id::SpecVersion;
use landlord_compute::machines::status::Health;
use landlord_compute::machines::tenant::StateName;

/// A name for a request, as it goes into a header of HTTP.
pub(crate) fn request_id(text: &str) -> Result<String, String> {
    let fits = (1..=1024).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    fits.then(|| text.to_owned()).ok_or_else(|| "use 1 to 1024 characters of ASCII".to_owned())
}

/// A time that may be 0.
pub(crate) fn moment(text: &str) -> Result<Duration, String> {
    match text.parse::<SignedDuration>() {
        Ok(none) if none.is_zero() => Ok(Duration::ZERO),
        Ok(_) | Err(_) => duration(text),
    }
}

/// A time, or how long ago it was.
pub(crate) fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let problem = || {
        format!("{text:?} is not a time; write it like 2026-01-31T12:00:00Z, or like 10m for ten minutes ago")
    };
    let ago = duration(text).map_err(|_| problem())?;
    Timestamp::now().checked_sub(ago).map_err(|_| problem())
}

/// A time that is more than 0.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let problem = || format!("{text:?} is not a time; write it like 90s, 5m or 1h30m");
    let duration: SignedDuration = text.parse().map_err(|_| problem())?;
    match Duration::try_from(duration) {
        Ok(duration) if duration > Duration::ZERO => Ok(duration),
        Ok(_) | Err(_) => Err(problem()),
    }
}

/// A state, by its name.
pub(crate) fn state_name(text: &str) -> Result<StateName, String> {
    let all = [
        StateName::Pending,
        StateName::Provisioning,
        StateName::Running,
        StateName::Updating,
        StateName::Destroying,
    ];
    all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        format!("there is no state {text:?}; there are {}", all.map(StateName::as_str).join(", "))
    })
}

/// A health, by its name.
pub(crate) fn health(text: &str) -> Result<Health, String> {
    match text {
        "healthy" => Ok(Health::Healthy),
        "unhealthy" => Ok(Health::Unhealthy),
        "unknown" => Ok(Health::Unknown),
        _ => Err(format!("there is no health {text:?}; there are healthy, unhealthy, unknown")),
    }
}

/// The version of a spec: `v3`, or `3`.
pub(crate) fn spec_version(text: &str) -> Result<SpecVersion, String> {
    let number = text.strip_prefix('v').unwrap_or(text).parse().ok().filter(|number| *number > 0);
    number.map(SpecVersion).ok_or_else(|| format!("{text:?} is not the version of a spec; it reads like v3"))
}
