//! A caller's document with all that is wrong with it, so that one round tells everything.
//!
//! A spec is checked by its shape, by the rules that providers share, and by its own provider. Each of them is asked
//! whatever the others found; what one says of a place that another has complained about already is left out, since it
//! would be about a value that nobody wrote.

use std::sync::Arc;

use super::document::{self, Format, SpecError};
use super::invalid::{Invalid, Problem};
use super::normalize::normalize;
use super::{Checked, Spec, TenantComputeSpec, read};
use crate::id::{ProviderName, TenantId};

/// A document that can be read as a spec, as far as it goes, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Draft {
    spec: TenantComputeSpec,
    problems: Vec<Problem>,
}

impl Draft {
    /// Reads a document, and applies the rules that providers share.
    ///
    /// # Errors
    /// [`SpecError::TooLarge`], [`SpecError::Malformed`]: there is nothing to check.
    pub fn read(text: &str, format: Format) -> Result<Self, SpecError> {
        let (spec, problems) = read::whole(document::parse(text, format)?);
        let mut draft = Self { spec, problems };
        if let Err(invalid) = draft.spec.clone().check() {
            draft.add(invalid);
        }
        Ok(draft)
    }

    /// The provider that it names; empty when it names none.
    pub fn provider_type(&self) -> &str {
        &self.spec.provider_type
    }

    /// The spec for its provider's own checks. Where there are problems it breaks rules, and fields that could not be
    /// read are empty: a check says what it finds, and must not rely on the rules.
    pub fn for_checks(&self) -> Spec {
        let mut body = self.spec.clone();
        normalize(&mut body);
        let tenant = TenantId::from_stored(&body.tenant_id);
        let provider = ProviderName::from_stored(&body.provider_type);
        Spec(Arc::new(Checked { tenant, provider, body }))
    }

    /// Adds what another check found, but for places that have a problem already.
    pub fn add(&mut self, found: Invalid) {
        let known = self.problems.clone();
        let news = found.into_problems().into_iter();
        self.problems
            .extend(news.filter(|problem| !known.iter().any(|known| meets(&known.path, &problem.path))));
    }

    /// The checked spec.
    ///
    /// # Errors
    /// Everything that was found, in the order of the checks.
    pub fn check(self) -> Result<Spec, Invalid> {
        Invalid::unless_empty(self.problems)?;
        self.spec.check()
    }
}

/// Whether a place is another, or a part of it. A problem of the spec as a whole meets nothing.
fn meets(one: &str, other: &str) -> bool {
    let holds = |outer: &str, inner: &str| {
        !outer.is_empty()
            && inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    holds(one, other) || holds(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_meets_its_parts_and_what_it_is_a_part_of() {
        for (one, other, is) in [
            ("a.b", "a.b", true),
            ("a", "a.b", true),
            ("a[0].c", "a", true),
            ("a[0]", "a[01]", false),
            ("a", "ab", false),
            ("", "a", false),
            ("", "", false),
        ] {
            assert_eq!(meets(one, other), is, "{one:?} {other:?}");
        }
    }
}
