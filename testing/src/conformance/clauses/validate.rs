//! Validate(), and what the contract adds to it.

use landlord_state_machines::error::{ErrorKind, ProviderError};
use landlord_state_machines::spec::Spec;
use serde_json::{Value, json};

use super::{Clause, must, section, should};
use crate::conformance::bench::{Bench, Tenant, failed, listed, succeeded};
use crate::conformance::{Checked, Stop, Unable, Variant, expect};

/// Fields that no provider has.
const NO_FIELDS: [&str; 2] = ["no_such_field", "nor_this_one"];

pub(super) const CLAUSES: &[Clause] = &[
    must("validate.accepts", section::VALIDATE, "a spec that runs there passes", |bench| {
        Box::pin(accepts(bench))
    }),
    must("validate.no-side-effects", section::VALIDATE, "nothing is made and nothing is changed", |bench| {
        Box::pin(no_side_effects(bench))
    }),
    must("validate.config", section::VALIDATE, "provider_config is checked", |bench| Box::pin(config(bench))),
    should("validate.limits", section::VALIDATE, "more than the platform can give is refused", |bench| {
        Box::pin(refuses(bench, Variant::TooLarge))
    }),
    should("validate.images", section::VALIDATE, "an image that cannot be is refused", |bench| {
        Box::pin(refuses(bench, Variant::BadImage))
    }),
    must(
        "validate.all-problems",
        section::VALIDATE,
        "all problems are told at once, each with its path",
        |bench| Box::pin(all_problems(bench)),
    ),
];

async fn accepts(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    for variant in [Variant::First, Variant::Changed] {
        succeeded(&format!("validate of {variant}"), tenant.validate(&tenant.spec(variant)?).await?)?;
    }
    Ok(())
}

async fn no_side_effects(bench: &Bench<'_>) -> Checked {
    let mut tenant = bench.tenant();
    // Of all variants that there are; what validate says of them is another clause.
    let variants = [Variant::First, Variant::Changed, Variant::Invalid, Variant::Failing];
    let specs: Vec<Spec> = variants.into_iter().filter_map(|variant| tenant.spec(variant).ok()).collect();
    for spec in &specs {
        let _said = tenant.validate(spec).await?;
    }
    expect(tenant.kept.last().is_none(), || "it wrote a ledger".to_owned())?;
    let made = tenant.held().await;
    expect(made.is_empty(), || format!("it made {}", listed(&made)))?;
    tenant.start(Variant::First).await?;
    let (before, ledgers) = (tenant.settled().await?, tenant.kept.all().len());
    for spec in &specs {
        let _said = tenant.validate(spec).await?;
    }
    tenant.still_holds(&before, "after a validate").await?;
    expect(tenant.kept.all().len() == ledgers, || "it wrote a ledger".to_owned())?;
    tenant.is_well("a validate").await
}

/// A spec whose provider_config has fields that there are not.
fn with_no_fields(tenant: &Tenant<'_>, fields: &[&str]) -> Result<Spec, Stop> {
    let schema = tenant.provider.config_schema();
    let open = schema.get("additionalProperties") != Some(&Value::Bool(false));
    if open && schema.get("unevaluatedProperties") != Some(&Value::Bool(false)) {
        return Err(Unable::new("its config_schema allows any field").into());
    }
    tenant.spec_with(Variant::First, |spec| {
        let config = spec.provider_config.get_or_insert_with(|| json!({}));
        for field in fields {
            config[*field] = json!(true);
        }
    })
}

async fn invalid(tenant: &Tenant<'_>, what: &str, spec: &Spec) -> Result<ProviderError, Stop> {
    let error = failed(&format!("validate of {what}"), tenant.validate(spec).await?)?;
    expect(error.kind == ErrorKind::InvalidSpec, || format!("validate of {what} says: {error}"))?;
    Ok(error)
}

async fn config(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let spec = with_no_fields(&tenant, &NO_FIELDS[..1])?;
    let error = invalid(&tenant, "a provider_config with a field that there is not", &spec).await?;
    expect(error.message.contains("provider_config"), || format!("it does not say where: {error}"))
}

async fn refuses(bench: &Bench<'_>, variant: Variant) -> Checked {
    let tenant = bench.tenant();
    invalid(&tenant, &variant.to_string(), &tenant.spec(variant)?).await?;
    Ok(())
}

async fn all_problems(bench: &Bench<'_>) -> Checked {
    let tenant = bench.tenant();
    let spec = with_no_fields(&tenant, &NO_FIELDS)?;
    let error = invalid(&tenant, "a spec with two problems", &spec).await?;
    let untold = NO_FIELDS.iter().find(|field| !error.message.contains(&format!("provider_config.{field}")));
    expect(untold.is_none(), || format!("it does not tell of provider_config's {untold:?}: {error}"))
}
