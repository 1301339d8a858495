//! A planner for a cloud that shows late what was done, drains what is deleted, and makes twice what is asked twice:
//! shows that such a platform can be tried, and that planners that forget one of these are found.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::planner::{
    Act, CallError, Goal, Holdings, Kind, Means, Next, Planner, Report, Subject,
};
use landlord_state_machines::spec::{ContainerSpec, ResourceRequirements, Spec, TenantComputeSpec};
use landlord_state_machines::status::{ComputeState, ContainerStatus, Health};
use serde::{Deserialize, Serialize};

use super::super::explore::explore_with;
use super::super::{
    Ask, Breach, By, Ends, Explored, Fault, Length, Model, Operation, Part, Scenario, Share, TENANT, run,
};

/// How long the cloud may not show what was done, and how late it does what it did not answer.
const UNSEEN: SignedDuration = SignedDuration::from_secs(5);
const LATE: SignedDuration = SignedDuration::from_secs(2);
/// How long a deleted service drains.
const DRAINS: SignedDuration = SignedDuration::from_secs(20);
/// How long it takes until a service runs what it should.
const ROLLS: SignedDuration = SignedDuration::from_secs(3);
/// After this, a look tells the truth about whatever was done before.
const SETTLES: SignedDuration = SignedDuration::from_secs(8);

/// What the planner does wrong.
const NOTHING: u8 = 0;
/// It believes a look at once.
const HASTY: u8 = 1;
/// It notes no intent.
const FORGETFUL: u8 = 2;
/// It takes what drains for gone.
const IMPATIENT: u8 = 3;
/// It believes that what it asked for once was made once.
const TRUSTING: u8 = 4;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Call {
    Describe,
    Register { image: String },
    Create { definition: u32, token: u32 },
    Point { definition: u32 },
    Delete,
    Deregister { definition: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Shown {
    Steady(u32),
    Rolling(u32),
    Failed(u32),
    Draining,
}

#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
struct Described {
    definitions: BTreeMap<u32, String>,
    service: Option<Shown>,
}

#[derive(Clone, Debug)]
enum Reply {
    Described(Described),
    Made,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Facts {
    /// The last token that was used.
    token: u32,
    /// Writes whose end is not known.
    pending: Vec<Call>,
    /// Before this a look may not show what was done.
    settles_at: Option<Timestamp>,
    /// The last look that counts.
    seen: Described,
    looked: bool,
    trouble: Option<ProviderError>,
}

struct CloudPlanner<const FLAW: u8>;

fn act(step: &'static str, call: Call) -> Next<Call> {
    Next::Do(vec![Act { step, kind: Cloud::<NOTHING>::kind(&call), call }])
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap()
}

fn image(spec: &Spec) -> &str {
    &spec.containers[0].image
}

fn error(kind: ErrorKind, code: ErrorCode, message: &str) -> ProviderError {
    ProviderError::new(kind, Remedy::Permanent, code, message)
}

impl<const FLAW: u8> Planner for CloudPlanner<FLAW> {
    const LEDGER_VERSION: u32 = 1;
    type Facts = Facts;
    type Call = Call;
    type Reply = Reply;

    fn next(subject: &Subject, goal: Goal<'_>, facts: &Facts, now: Timestamp) -> Next<Call> {
        let Described { definitions, service } = &facts.seen;
        let wait = |seconds, why| Next::Wait {
            until: later(now, SignedDuration::from_secs(seconds)),
            why,
            so_far: None,
        };
        match (&facts.trouble, facts.looked, facts.settles_at) {
            (Some(trouble), _, _) => return Next::Fail(trouble.clone()),
            (None, false, Some(at)) if now < at && FLAW != HASTY => {
                return Next::Wait { until: at, why: "the cloud shows what was done", so_far: None };
            }
            (None, false, _) => return act("look", Call::Describe),
            (None, true, _) => {}
        }
        let same = |number: &u32, kept: Option<u32>| {
            kept.is_some_and(|kept| definitions.get(number) == definitions.get(&kept))
        };
        let extra = |kept: Option<u32>| {
            let mut extra = definitions.keys().filter(|number| Some(**number) != kept);
            extra.find(|number| FLAW != TRUSTING || !same(number, kept))
        };
        match (goal, service) {
            (Goal::Known, _) => Next::Done,
            (Goal::Absent, Some(Shown::Draining)) if FLAW != IMPATIENT => wait(2, "the service drains"),
            (Goal::Absent, None | Some(Shown::Draining)) => match extra(None) {
                Some(number) => act("deregister", Call::Deregister { definition: *number }),
                None => Next::Done,
            },
            (Goal::Absent, Some(Shown::Steady(_) | Shown::Rolling(_) | Shown::Failed(_))) => {
                act("delete", Call::Delete)
            }
            (Goal::Present { by: Means::Update, .. }, None) if definitions.is_empty() => {
                Next::Fail(ProviderError::tenant_not_found(&subject.tenant))
            }
            (Goal::Present { spec, applied: _, rollout: _, by }, _) => {
                let wanted =
                    definitions.iter().find(|(_, made)| *made == image(spec)).map(|(number, _)| *number);
                match (wanted, service) {
                    (_, Some(Shown::Draining)) => wait(2, "the service drains"),
                    (wanted, Some(Shown::Steady(runs) | Shown::Rolling(runs)))
                        if by == Means::Provision && wanted != Some(*runs) =>
                    {
                        Next::Fail(error(ErrorKind::ProvisionFailed, ErrorCode::Conflict, "runs another"))
                    }
                    (None, _) => act("register", Call::Register { image: image(spec).to_owned() }),
                    (Some(definition), None) => {
                        act("create", Call::Create { definition, token: facts.token + 1 })
                    }
                    (
                        Some(wanted),
                        Some(Shown::Steady(runs) | Shown::Rolling(runs) | Shown::Failed(runs)),
                    ) if wanted != *runs => act("point", Call::Point { definition: wanted }),
                    (Some(_), Some(Shown::Rolling(_))) => wait(1, "the rollout"),
                    (Some(_), Some(Shown::Failed(_))) => Next::Fail(error(
                        ErrorKind::ProvisionFailed,
                        ErrorCode::UnknownError,
                        "it does not run",
                    )),
                    (Some(wanted), Some(Shown::Steady(_))) => match extra(Some(wanted)) {
                        Some(number) => act("deregister", Call::Deregister { definition: *number }),
                        None => Next::Done,
                    },
                }
            }
        }
    }

    fn intend(facts: &mut Facts, call: &Call, _: Timestamp) {
        if let Call::Create { token, .. } = call {
            facts.token = facts.token.max(*token);
        }
        if FLAW != FORGETFUL && *call != Call::Describe && !facts.pending.contains(call) {
            facts.pending.push(call.clone());
        }
    }

    fn learn(facts: &mut Facts, call: &Call, reply: Result<Reply, CallError>, now: Timestamp) {
        match reply {
            // One that comes late, or again, says nothing.
            Ok(Reply::Described(_)) if facts.settles_at.is_some_and(|at| now < at) && FLAW != HASTY => {}
            // A write before a crash may still show, or happen.
            Ok(Reply::Described(_)) if !facts.pending.is_empty() && FLAW != HASTY => {
                facts.pending.clear();
                facts.settles_at = Some(later(now, SETTLES));
            }
            Ok(Reply::Described(seen)) => {
                facts.pending.clear();
                facts.settles_at = None;
                facts.seen = seen;
                facts.looked = true;
            }
            Ok(Reply::Made) | Err(CallError::Refused(_) | CallError::Unknown(_)) => {
                if *call != Call::Describe {
                    facts.pending.retain(|pending| pending != call);
                    facts.settles_at = Some(later(now, SETTLES));
                    facts.looked = false;
                }
                facts.trouble = match reply {
                    Ok(_) => None,
                    Err(CallError::Refused(error) | CallError::Unknown(error)) => Some(error),
                };
            }
        }
    }

    fn stale(facts: &mut Facts) {
        facts.looked = false;
        facts.trouble = None;
    }

    fn holdings(facts: &Facts) -> Holdings {
        let definitions = facts.seen.definitions.iter();
        let mut resources: BTreeMap<String, String> =
            definitions.map(|(number, image)| (format!("definition {number}"), image.clone())).collect();
        if facts.seen.service.is_some() {
            resources.insert("service".to_owned(), TENANT.to_owned());
        }
        Holdings { resources, endpoints: Vec::new() }
    }

    fn report(facts: &Facts) -> Option<Report> {
        let state = match facts.seen.service? {
            Shown::Steady(_) => ComputeState::Running,
            Shown::Rolling(_) => ComputeState::Starting,
            Shown::Failed(_) => ComputeState::Failed,
            Shown::Draining => ComputeState::Stopping,
        };
        let container =
            ContainerStatus { name: "web".to_owned(), state, ready: false, restart_count: 0, message: None };
        Some(Report {
            state,
            containers: vec![container],
            health: Health::Unknown,
            metadata: BTreeMap::new(),
        })
    }
}

#[derive(Clone)]
enum Service {
    Active { definition: u32, since: Timestamp },
    Draining { until: Timestamp },
}

/// The cloud.
#[derive(Clone, Default)]
struct Cloud<const FLAW: u8> {
    made: u32,
    definitions: BTreeMap<u32, String>,
    service: Option<Service>,
    tokens: Vec<u32>,
}

impl<const FLAW: u8> Cloud<FLAW> {
    fn drain(&mut self, now: Timestamp) {
        self.service.take_if(|service| matches!(service, Service::Draining { until } if *until <= now));
    }

    fn shown(&self, now: Timestamp) -> Option<Shown> {
        Some(match self.service.as_ref()? {
            Service::Draining { .. } => Shown::Draining,
            Service::Active { definition, since } if now < later(*since, ROLLS) => {
                Shown::Rolling(*definition)
            }
            Service::Active { definition, .. } => {
                match self.definitions.get(definition).map(String::as_str) {
                    Some("broken") => Shown::Failed(*definition),
                    Some(_) | None => Shown::Steady(*definition),
                }
            }
        })
    }
}

impl<const FLAW: u8> Model for Cloud<FLAW> {
    type Planner = CloudPlanner<FLAW>;
    const NAME: &'static str = "cloud";

    fn answer(&mut self, _: &Subject, call: &Call, now: Timestamp) -> Result<Reply, ProviderError> {
        self.drain(now);
        let conflict = |message| error(ErrorKind::ProvisionFailed, ErrorCode::Conflict, message);
        match call {
            Call::Describe => {
                let definitions = self.definitions.clone();
                return Ok(Reply::Described(Described { definitions, service: self.shown(now) }));
            }
            // Asked twice, made twice.
            Call::Register { image } => {
                self.made += 1;
                self.definitions.insert(self.made, image.clone());
            }
            Call::Create { token, .. } if self.tokens.contains(token) => {}
            Call::Create { .. } if self.service.is_some() => return Err(conflict("there is one")),
            Call::Create { definition, token } => {
                self.tokens.push(*token);
                self.service = Some(Service::Active { definition: *definition, since: now });
            }
            Call::Point { definition } => match &self.service {
                Some(Service::Active { .. }) => {
                    self.service = Some(Service::Active { definition: *definition, since: now });
                }
                Some(Service::Draining { .. }) | None => return Err(conflict("there is none")),
            },
            Call::Delete => match &self.service {
                Some(Service::Active { .. }) => {
                    self.service = Some(Service::Draining { until: later(now, DRAINS) });
                }
                Some(Service::Draining { .. }) | None => {}
            },
            Call::Deregister { definition } => {
                self.definitions.remove(definition);
            }
        }
        Ok(Reply::Made)
    }

    fn kind(call: &Call) -> Kind {
        match call {
            Call::Describe => Kind::Read,
            Call::Register { .. }
            | Call::Create { .. }
            | Call::Point { .. }
            | Call::Delete
            | Call::Deregister { .. } => Kind::Write,
        }
    }

    fn late() -> SignedDuration {
        LATE
    }

    fn unseen() -> SignedDuration {
        UNSEEN
    }

    /// Somebody deletes the service by hand.
    fn breaks(&mut self, _: Timestamp) {
        self.service = None;
    }

    fn holds_exactly(&mut self, _: &Subject, spec: Option<&Spec>, now: Timestamp) -> Result<(), String> {
        self.drain(now);
        let images: Vec<&str> = self.definitions.values().map(String::as_str).collect();
        let runs = self.shown(now);
        match (spec, runs) {
            (None, None) if images.is_empty() => Ok(()),
            (Some(spec), Some(Shown::Steady(runs)))
                if images == [image(spec)] && self.definitions.contains_key(&runs) =>
            {
                Ok(())
            }
            (_, service) => Err(format!("{images:?} are registered, the service is {service:?}")),
        }
    }

    fn operations() -> Vec<Operation> {
        let spec = |image: &str| {
            let web =
                ContainerSpec { name: "web".to_owned(), image: image.to_owned(), ..ContainerSpec::default() };
            let spec = TenantComputeSpec {
                tenant_id: TENANT.to_owned(),
                provider_type: "cloud".to_owned(),
                containers: vec![web],
                resources: ResourceRequirements { cpu: 128, memory: 128, ..ResourceRequirements::default() },
                ..TenantComputeSpec::default()
            };
            spec.check().unwrap()
        };
        let operation = |name: &'static str, applied, ask, ends| Operation {
            name,
            applied,
            ask,
            ends,
            length: Length::Long,
        };
        vec![
            operation("provision", None, Ask::Provision(spec("v1")), Ends::Done),
            operation("provision what does not run", None, Ask::Provision(spec("broken")), Ends::Undone),
            operation("update", Some(spec("v1")), Ask::Update(spec("v2")), Ends::Done),
            operation(
                "update to what does not run",
                Some(spec("v1")),
                Ask::Update(spec("broken")),
                Ends::Undone,
            ),
            operation("repair", Some(spec("v1")), Ask::Repair, Ends::Done),
            operation("destroy", Some(spec("v1")), Ask::Destroy, Ends::Done),
        ]
    }
}

#[test]
fn a_cloud_that_shows_late_and_drains_can_be_tried() {
    let mut all = Explored::default();
    for part in [Part::OneFault, Part::Several { seed: 20_261_123, cases: 3 }] {
        all += run::<Cloud<NOTHING>>(part, Share::ALL).unwrap_or_else(|breach| panic!("{breach}"));
    }
    println!("cloud: {} cases, {} calls", all.cases, all.calls);
    assert!(all.cases > 500);
}

/// The first operation of a flawed planner that one of these faults breaks.
fn breach<const FLAW: u8>(faults: &[Fault]) -> Box<Breach> {
    let operations = Cloud::<FLAW>::operations().into_iter();
    let mut scenarios = operations.map(|operation| Scenario { operation, by: By::Engine, interrupt: None });
    scenarios.find_map(|it| explore_with::<Cloud<FLAW>>(&it, faults).err()).expect("a flaw that is found")
}

#[test]
fn i3_a_planner_that_believes_a_look_at_once_is_found() {
    let breach = breach::<HASTY>(&[Fault::Unseen]);
    assert!(matches!(breach.case.faults[..], [(_, Fault::Unseen)]), "{breach}");
}

#[test]
fn i3_a_planner_that_believes_what_it_hears_again_is_found() {
    let breach = breach::<HASTY>(&[Fault::HeardAgain]);
    assert!(matches!(breach.case.faults[..], [(_, Fault::HeardAgain)]), "{breach}");
}

#[test]
fn i3_a_planner_that_trusts_its_transport_is_found() {
    let breach = breach::<TRUSTING>(&[Fault::Twice]);
    assert!(matches!(breach.case.faults[..], [(_, Fault::Twice)]), "{breach}");
}

#[test]
fn i3_a_planner_that_forgets_what_it_was_about_to_do_is_found() {
    let breach = breach::<FORGETFUL>(&[Fault::CrashAfter]);
    assert!(matches!(breach.case.faults[..], [(_, Fault::CrashAfter)]), "{breach}");
}

#[test]
fn i3_a_planner_that_does_not_wait_for_what_drains_is_found() {
    let breach = breach::<IMPATIENT>(&[]);
    assert_eq!((breach.operation, breach.case.faults.len()), ("provision what does not run", 0), "{breach}");
}
