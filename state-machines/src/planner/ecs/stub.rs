//! Stands in for the planner and for the checks of a spec.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::call::{Call, Reply, Service};
use super::config::Config;
use super::site::Site;
use crate::planner::{Act, CallError, Goal, Holdings, Kind, Next, Planner, Report, Subject};
use crate::result::{ComputeState, Health};
use crate::spec::{Invalid, Problem, Spec};

/// Every problem of the spec.
///
/// # Errors
/// The problems.
pub fn check(spec: &Spec) -> Result<(), Invalid> {
    let problem = Config::of(spec).err().map(|error| Problem::new("provider_config", error.to_string()));
    Invalid::unless_empty(problem.into_iter().collect())
}

/// Only looks.
#[derive(Clone, Copy, Debug)]
pub struct EcsPlanner;

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    found: Option<bool>,
}

impl Planner for EcsPlanner {
    const LEDGER_VERSION: u32 = 1;
    type Facts = Facts;
    type Call = Call;
    type Reply = Reply;

    fn next(subject: &Subject, goal: Goal<'_>, facts: &Facts, _now: Timestamp) -> Next<Call> {
        let call = match goal {
            Goal::Present { spec, .. } => match Config::of(spec) {
                Ok(config) => Call::DescribeService {
                    site: Site::of(&config, &subject.tenant),
                    subject: subject.clone(),
                },
                Err(_) => Call::Locate,
            },
            Goal::Absent | Goal::Known => Call::Locate,
        };
        match facts.found {
            None => Next::Do(vec![Act { step: "look", call, kind: Kind::Read }]),
            Some(_) => Next::Done,
        }
    }

    fn intend(_facts: &mut Facts, _call: &Call, _now: Timestamp) {}

    fn learn(facts: &mut Facts, _call: &Call, reply: Result<Reply, CallError>, _now: Timestamp) {
        facts.found = Some(match reply {
            Ok(Reply::Located(site)) => site.is_some(),
            Ok(Reply::Service(service)) => service.is_some_and(|service: Box<Service>| !service.draining),
            Ok(_) | Err(_) => false,
        });
    }

    fn stale(facts: &mut Facts) {
        facts.found = None;
    }

    fn holdings(_facts: &Facts) -> Holdings {
        Holdings::default()
    }

    fn report(facts: &Facts) -> Option<Report> {
        facts.found.filter(|found| *found).map(|_| Report {
            state: ComputeState::Unknown,
            containers: Vec::new(),
            health: Health::Unknown,
            metadata: BTreeMap::new(),
        })
    }
}
