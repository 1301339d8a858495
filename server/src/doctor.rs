//! How the server's providers are, and what the program that it is part of finds of its machine.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::future::{BoxFuture, join, join_all};
use jiff::Timestamp;
use landlord_api::{Diagnosis, Finding};
use landlord_compute::clock::SystemClock;
use landlord_compute::machines::id::{Incarnation, ProviderName};
use landlord_compute::machines::planner::Subject;
use landlord_compute::machines::spec::{ContainerSpec, ResourceRequirements, Spec};
use landlord_compute::provider::{self, Budget, Context, Provider};
use landlord_compute::{ErrorCode, ErrorKind, Invalid, ProviderError, Remedy, TenantComputeSpec};

use crate::served::Served;

/// How long a provider may take to say how its platform is.
const WITHIN: Duration = Duration::from_secs(20);
/// The tenant that is asked about, and never made.
const NOBODY: &str = "doctor";

/// What finds out how the machine is.
pub(crate) type Examine = Arc<dyn Fn() -> BoxFuture<'static, Vec<Finding>> + Send + Sync>;

/// Says how the server, its machine and its platforms are.
pub(crate) async fn doctor(State(served): State<Served>) -> Json<Diagnosis> {
    let machine = async {
        match served.examine() {
            Some(examine) => examine().await,
            None => Vec::new(),
        }
    };
    let providers = join_all(served.providers().iter().map(|provider| examined(&served, &**provider)));
    let (machine, providers) = join(machine, providers).await;
    let findings = machine.into_iter().chain(providers.into_iter().flatten()).collect();
    Json(Diagnosis { at: Timestamp::now(), findings })
}

/// How a provider is: whether it takes the plainest tenant there is, and what may be asked of its platform.
async fn examined(served: &Served, provider: &dyn Provider) -> Vec<Finding> {
    let name = provider.name();
    let asked = match plain(&name, provider.capabilities().oci_images) {
        Ok(spec) => {
            let subject = Subject {
                engine: Arc::clone(served.store_name()),
                provider: name.clone(),
                tenant: spec.tenant().clone(),
                incarnation: Incarnation(1),
            };
            let cx = Context::alone(subject, Arc::new(SystemClock));
            tokio::time::timeout(WITHIN, provider::check(provider, &cx, &spec)).await
        }
        Err(invalid) => Ok(Err(invalid.into())),
    };
    let check = format!("provider {name}");
    let answer = match asked {
        Ok(Ok(())) => Finding::ok(check, format!("{}: it takes a plain tenant", provider.kind())),
        Ok(Err(error)) => refusal(check, &error),
        Err(_elapsed) => Finding::failed(
            check,
            format!("its platform did not answer within {} s", WITHIN.as_secs()),
            "look at the way from this machine to the platform: names, routes, firewalls, proxies",
        ),
    };
    std::iter::once(answer).chain(quota(&name, &provider.budgets())).collect()
}

/// The plainest spec there is. Nothing is made of it.
fn plain(provider: &ProviderName, oci: bool) -> Result<Spec, Invalid> {
    let (image, command) = match oci {
        true => ("docker.io/library/busybox:stable", Vec::new()),
        false => ("host", vec!["true".to_owned()]),
    };
    TenantComputeSpec {
        tenant_id: NOBODY.to_owned(),
        provider_type: provider.to_string(),
        containers: vec![ContainerSpec {
            name: "main".to_owned(),
            image: image.to_owned(),
            command,
            ..ContainerSpec::default()
        }],
        resources: ResourceRequirements { cpu: 256, memory: 512, ..ResourceRequirements::default() },
        ..TenantComputeSpec::default()
    }
    .check()
}

/// Why a provider does not take the plainest tenant, and what to do about that.
fn refusal(check: String, error: &ProviderError) -> Finding {
    let words = error.words().replace('\n', "; ");
    match (error.kind, error.remedy, error.code) {
        // The spec alone is at fault: nobody was asked.
        (ErrorKind::InvalidSpec, Remedy::Permanent, _) => Finding::warning(
            check,
            format!("its platform was not asked: a spec without provider_config is not enough here: {words}"),
            "where every tenant needs it, give it once, in the provider's configuration",
        ),
        (_, _, code) => Finding::failed(
            check,
            words,
            match code {
                ErrorCode::PermissionDenied => "give the engine the rights that are named, then ask again",
                ErrorCode::ProviderUnavailable => {
                    "see that the platform runs, and that this machine reaches it by the configured address"
                }
                ErrorCode::ProviderTimeout => {
                    "look at the way from this machine to the platform, and how busy it is"
                }
                ErrorCode::ResourceExhausted => "have the quota raised, or free what uses it up",
                ErrorCode::InvalidConfiguration => "correct the provider's configuration",
                ErrorCode::ResourceNotFound => {
                    "make what is named, or name another in the provider's configuration"
                }
                ErrorCode::Conflict | ErrorCode::UnknownError => {
                    "the words are the platform's: look there; RUST_LOG=info shows the requests"
                }
            },
        ),
    }
}

/// What may be asked of a platform; none where nothing limits it.
fn quota(provider: &ProviderName, budgets: &[Budget]) -> Option<Finding> {
    if budgets.is_empty() {
        return None;
    }
    let check = format!("quota {provider}");
    let slower: Vec<String> = budgets.iter().filter(|budget| is_short(budget)).map(told).collect();
    Some(match slower.as_slice() {
        [] => {
            let all: Vec<String> = budgets.iter().map(told).collect();
            Finding::ok(check, all.join("; "))
        }
        slower => Finding::warning(
            check,
            slower.join("; "),
            "operations take longer meanwhile; have the quota raised where this lasts, or run fewer engines against it",
        ),
    })
}

/// Whether the platform throttles now, or more waits than goes out in some seconds.
fn is_short(budget: &Budget) -> bool {
    budget.per_second < budget.per_second_at_best || budget.waiting as f64 > 10.0 * budget.per_second
}

fn told(budget: &Budget) -> String {
    let Budget { name, per_second, per_second_at_best, waiting, throttled, .. } = budget;
    let now = match per_second < per_second_at_best {
        true => format!("{per_second:.1} of {per_second_at_best:.1}"),
        false => format!("{per_second:.1}"),
    };
    let waiting = if *waiting > 0 { format!(", {waiting} wait") } else { String::new() };
    let throttled = if *throttled > 0 { format!(", throttled {throttled} times") } else { String::new() };
    format!("{name}: {now} a second{waiting}{throttled}")
}

#[cfg(test)]
mod tests {
    use landlord_api::Grade;

    use super::*;

    #[test]
    fn rights_that_are_missing_are_named_and_are_somebodys_to_give() {
        let error = ProviderError::new(
            ErrorKind::InvalidSpec,
            Remedy::NeedsPerson,
            ErrorCode::PermissionDenied,
            "the engine may not do everything in the cluster that it needs to: create pods",
        );
        let found = refusal("provider east".to_owned(), &error);
        assert_eq!(found.grade, Grade::Failed);
        assert!(found.found.ends_with("create pods"), "{}", found.found);
        assert!(found.todo.is_some_and(|todo| todo.contains("rights")));
    }

    #[test]
    fn a_plain_spec_that_is_not_enough_is_no_failure() {
        let error = ProviderError::new(
            ErrorKind::InvalidSpec,
            Remedy::Permanent,
            ErrorCode::InvalidConfiguration,
            "provider_config.subnets: missing",
        );
        assert_eq!(refusal("provider ecs".to_owned(), &error).grade, Grade::Warning);
    }

    #[test]
    fn a_quota_is_short_where_the_platform_throttles_or_many_wait() {
        let name = ProviderName::new("ecs").unwrap();
        let mut reads = Budget::new("reads", 20.0);
        assert_eq!(quota(&name, &[]), None);
        let found = quota(&name, std::slice::from_ref(&reads)).unwrap();
        assert_eq!((found.grade, found.found.as_str()), (Grade::Ok, "reads: 20.0 a second"));
        (reads.per_second, reads.throttled) = (5.0, 3);
        let found = quota(&name, &[Budget::new("writes", 5.0), reads.clone()]).unwrap();
        let words = "reads: 5.0 of 20.0 a second, throttled 3 times";
        assert_eq!((found.grade, found.found.as_str()), (Grade::Warning, words));
        (reads.per_second, reads.waiting) = (20.0, 201);
        assert_eq!(quota(&name, &[reads]).unwrap().grade, Grade::Warning);
    }
}
