//! Which operations are traced. It is decided before a span is made, from the operation alone, so that all its spans agree, also
//! after a restart.

use std::str::FromStr;

use landlord_compute::OperationId;
use landlord_compute::machines::trace::TraceContext;

/// Which operations are traced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Whether a caller that says in its `traceparent` whether it is traced decides.
    parent_based: bool,
    /// Which of the others are: those that are spread to a number up to this one. None: none is.
    most: Option<u64>,
}

/// A name that is no sampler's, or a share that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplerError {
    /// No sampler has the name.
    #[error(
        "{0:?} is no sampler; there are always_on, always_off, traceidratio, and parentbased_always_on, \
         parentbased_always_off, parentbased_traceidratio"
    )]
    Unknown(String),
    /// It is no number from 0 to 1.
    #[error("{0:?} is no share of operations; give a number from 0 to 1")]
    Share(String),
}

impl Default for Sampler {
    /// What callers have sampled, and of the other operations one in a hundred.
    fn default() -> Self {
        Self { parent_based: true, most: most(0.01) }
    }
}

impl Sampler {
    /// Only what callers have sampled.
    pub fn callers() -> Self {
        Self { parent_based: true, most: None }
    }

    /// By its name in OpenTelemetry's variables, and its argument, which those that have a ratio take.
    ///
    /// # Errors
    /// [`SamplerError`].
    pub fn named(name: &str, argument: Option<&str>) -> Result<Self, SamplerError> {
        let ratio = || {
            let Some(text) = argument.filter(|text| !text.is_empty()) else { return Ok(1.0) };
            let share = f64::from_str(text).ok().filter(|share| (0.0..=1.0).contains(share));
            share.ok_or_else(|| SamplerError::Share(text.to_owned()))
        };
        let (parent_based, rest) = match name.strip_prefix("parentbased_") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let share = match rest {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => ratio()?,
            _ => return Err(SamplerError::Unknown(name.to_owned())),
        };
        Ok(Self { parent_based, most: most(share) })
    }

    /// Whether an operation is traced.
    pub(crate) fn takes(self, operation: OperationId, trace: Option<&TraceContext>) -> bool {
        if self.parent_based
            && let Some(sampled) = trace.and_then(sampled)
        {
            return sampled;
        }
        self.most.is_some_and(|most| mixed(operation) <= most)
    }
}

/// The largest of the numbers that are this share of all.
fn most(share: f64) -> Option<u64> {
    // As many as there are numbers, at most.
    ((share * (u64::MAX as f64 + 1.0)) as u128).checked_sub(1).map(|most| most as u64)
}

/// Whether the caller's trace is sampled; none where its `traceparent` is none.
fn sampled(trace: &TraceContext) -> Option<bool> {
    let text = trace.traceparent.as_bytes();
    // `00-`, 32 digits, `-`, 16 digits, `-`, two digits of flags.
    let (dash, flags) = (text.get(52)?, text.get(54)?);
    let bits = char::from(*flags).to_digit(16)?;
    (*dash == b'-').then_some(bits & 1 == 1)
}

/// Spreads operations evenly: the numbers of one engine follow each other. The finalizer of SplitMix64.
fn mixed(operation: OperationId) -> u64 {
    let mut bits = operation.number ^ operation.epoch.rotate_left(40);
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn operation(number: u64) -> OperationId {
        OperationId { epoch: 3, number }
    }

    fn caller(flags: &str) -> TraceContext {
        let traceparent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        TraceContext { traceparent, tracestate: None }
    }

    #[test]
    fn a_caller_that_samples_decides_where_it_is_asked() {
        let (ours, theirs) = (Sampler::named("always_off", None), Sampler::callers());
        assert!(theirs.takes(operation(1), Some(&caller("01"))));
        assert!(!theirs.takes(operation(1), Some(&caller("00"))));
        assert!(!ours.unwrap().takes(operation(1), Some(&caller("01"))));
        let on = Sampler::named("parentbased_always_on", None).unwrap();
        assert!(!on.takes(operation(1), Some(&caller("00"))));
        let nonsense = TraceContext { traceparent: "nonsense".to_owned(), tracestate: None };
        assert!(on.takes(operation(1), Some(&nonsense)), "what is no trace says nothing");
    }

    #[test]
    fn a_share_of_the_operations_is_taken_and_always_the_same() {
        let sampler = Sampler::named("parentbased_traceidratio", Some("0.1")).unwrap();
        let taken = (0..10_000).filter(|number| sampler.takes(operation(*number), None)).count();
        assert!((900..1_100).contains(&taken), "{taken}");
        let all = Sampler::named("traceidratio", Some("1")).unwrap();
        assert!((0..1_000).all(|number| all.takes(operation(number), None)));
        let none = Sampler::named("traceidratio", Some("0")).unwrap();
        assert!(!(0..1_000).any(|number| none.takes(operation(number), None)));
    }

    #[test]
    fn what_is_no_sampler_is_refused() {
        assert!(matches!(Sampler::named("sometimes", None), Err(SamplerError::Unknown(_))));
        assert!(matches!(Sampler::named("traceidratio", Some("2")), Err(SamplerError::Share(_))));
    }
}
