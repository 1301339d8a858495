//! Makes one call of the planner on this machine.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::planner::process::{
    Exit, ExitCause, Found, FoundLaunch, HostPort, LaunchId, Port, Probe, Probed, ProcessCall, ProcessLife,
    ProcessReply, Protocol, ReservePorts, Retention, Routing, Signal, Start, Thief, Volumes,
};
use landlord_state_machines::planner::{CallError, Subject};

use super::find::{Kept, Seen, Whose};
use super::keeper::client::AskError;
use super::keeper::protocol::{Answer, Life, Refusal, Request, Streak};
use super::machine::{Keeper, Machine, failed, not_kept, ports_of};
use super::ports::is_free;
use super::procfs;
use super::tags::{Key, Owner, Tags};
use super::{blocking, launch, listeners, signal};

impl Machine {
    /// Makes the call once. A write that was refused did nothing. One whose future is dropped was done whole or not at
    /// all, or is still done.
    pub(super) async fn make(
        &self,
        subject: &Subject,
        call: &ProcessCall,
    ) -> Result<ProcessReply, CallError> {
        let reply = match call {
            ProcessCall::Find => self.find(subject).await,
            ProcessCall::Keep => return self.kept(subject).await,
            ProcessCall::ReservePorts(wanted) => self.reserve(subject, wanted).await,
            ProcessCall::Route(routing) => return self.route(subject, routing).await,
            ProcessCall::Start(start) => return self.start(subject, start).await,
            ProcessCall::Probe(asked) => self.probe(subject, asked).await,
            ProcessCall::Signal(order) => self.signal(subject, order).await,
            ProcessCall::Clear { launch, container } => self.clear(subject, *launch, container).await,
            ProcessCall::Hold(volumes) => self.hold(subject, volumes).await,
            ProcessCall::Dismiss { launches } => self.dismiss(subject, launches).await,
        };
        reply.map_err(CallError::Refused)
    }

    async fn find(&self, subject: &Subject) -> Result<ProcessReply, ProviderError> {
        let (seen, mut keepers) = self.look_with_keepers(whose(subject)).await?;
        let launches = seen.into_iter().map(|(key, seen)| {
            let (life, binding, connections) = (life(&seen), seen.binding, seen.connections);
            let (manifest, thief) = (seen.tags.manifest, seen.thief);
            (key.launch, FoundLaunch { manifest, life, binding, connections, thief })
        });
        let (launches, machine) = (launches.collect(), procfs::machine());
        let held = self.volumes_of(&Owner::of(subject), &subject.tenant)?;
        let held: BTreeMap<String, Retention> =
            held.into_iter().map(|(name, tag)| (name, tag.retention_in(subject.incarnation))).collect();
        // Most tenants never had one.
        let number = match held.is_empty() && !self.was_given_volumes(&subject.tenant) {
            true => 0,
            false => *self.volumes_given(&subject.tenant).lock().unwrap_or_else(PoisonError::into_inner),
        };
        let volumes = Volumes { number, held };
        Ok(ProcessReply::Found(match keepers.remove(&subject.tenant) {
            Some(Keeper { incarnation: _, routing, cut, taken }) => {
                Found { machine, keeper: true, routing, cut, taken, volumes, launches }
            }
            None => Found { machine, keeper: false, volumes, launches, ..Found::default() },
        }))
    }

    async fn kept(&self, subject: &Subject) -> Result<ProcessReply, CallError> {
        let owner = Owner::of(subject);
        {
            let turn = self.turns.take(&subject.tenant).await;
            self.keep(&turn, &owner, subject.incarnation).await.map_err(CallError::Refused)?;
        }
        let (seen, mut keepers) = self.look_with_keepers(whose(subject)).await.map_err(CallError::Unknown)?;
        match keepers.remove(&subject.tenant) {
            Some(keeper) => Ok(ProcessReply::Kept {
                routing: keeper.routing,
                bindings: seen.into_iter().map(|(key, seen)| (key.launch, seen.binding)).collect(),
            }),
            None => Err(CallError::Unknown(not_kept(&AskError::Absent))),
        }
    }

    async fn reserve(&self, subject: &Subject, wanted: &ReservePorts) -> Result<ProcessReply, ProviderError> {
        // Also those of processes that do not listen yet.
        let mut taken = self.claimed().map_err(|error| failed("reading the records of launches", error))?;
        let mut ports: BTreeMap<String, Vec<Port>> = BTreeMap::new();
        for (container, wanted) in &wanted.wanted {
            let given = ports.entry(container.clone()).or_default();
            for port in wanted {
                let mut allocate = |before| {
                    let allocated = self.ports.allocate(port.protocol, before, &taken);
                    taken.extend(allocated.as_ref().ok());
                    allocated.map_err(|no_port| {
                        let kind = ErrorKind::ProvisionFailed;
                        let what = format!("container {container}: {no_port}");
                        ProviderError::new(kind, Remedy::Retry, ErrorCode::ResourceExhausted, what)
                    })
                };
                let host_port = match port.host {
                    HostPort::Kept(number) => number,
                    HostPort::Free { before } => allocate(before)?,
                    HostPort::Fixed(number) => {
                        self.free(subject, container, port.protocol, number)?;
                        number
                    }
                };
                given.push(Port {
                    container_port: port.container_port,
                    host_port,
                    private_port: Some(allocate(None)?),
                    protocol: port.protocol,
                    name: port.name.clone(),
                });
            }
        }
        Ok(ProcessReply::Ports(ports))
    }

    /// Refuses a port of the host that somebody has.
    fn free(
        &self,
        subject: &Subject,
        container: &str,
        protocol: Protocol,
        port: u16,
    ) -> Result<(), ProviderError> {
        let holder = match self.claimed_by(port, &subject.tenant) {
            Some(tenant) => format!("tenant {tenant}"),
            None if is_free(protocol, port) => return Ok(()),
            None => listeners::holder_of(protocol, port),
        };
        let refusal = Refusal::Taken { port, holder };
        Err(ProviderError::new(
            ErrorKind::ProvisionFailed,
            Remedy::Permanent,
            ErrorCode::Conflict,
            format!("container {container}: {refusal}"),
        ))
    }

    async fn route(&self, subject: &Subject, routing: &Routing) -> Result<ProcessReply, CallError> {
        match self.ask(&subject.tenant, Request::Route(routing.clone())).await {
            Ok(Answer::Routed { number }) => Ok(ProcessReply::Routed { number }),
            Ok(_) => Err(CallError::Unknown(not_kept(&AskError::Unanswered))),
            Err(AskError::Refused(refusal @ Refusal::Taken { .. })) => {
                let (kind, code) = (ErrorKind::ProvisionFailed, ErrorCode::Conflict);
                let error = ProviderError::new(kind, Remedy::Permanent, code, refusal.to_string());
                Err(CallError::Refused(error))
            }
            Err(error @ AskError::Unanswered) => Err(CallError::Unknown(not_kept(&error))),
            Err(error @ (AskError::Absent | AskError::Refused(_) | AskError::System(_))) => {
                Err(CallError::Refused(not_kept(&error)))
            }
        }
    }

    async fn start(&self, subject: &Subject, start: &Start) -> Result<ProcessReply, CallError> {
        let tags = Tags { key: key(subject, start.launch), manifest: start.manifest.clone() };
        self.claim(&subject.tenant, start.launch, ports_of(&start.manifest));
        let started = launch::launch(self, start, &tags).await;
        if let Ok(ProcessReply::Robbed { .. }) | Err(CallError::Refused(_)) = &started {
            self.forget(&tags.key);
        }
        started
    }

    async fn probe(&self, subject: &Subject, asked: &Probe) -> Result<ProcessReply, ProviderError> {
        let Probe { launch, counts, .. } = *asked;
        let check = || self.ask(&subject.tenant, Request::Check { launch, counts, tells_thieves: true });
        let replied = |probed, thief| Ok(ProcessReply::Probed { launch, probed, thief });
        let answer = match check().await {
            // A launch of a build without keepers, or one whose keeper has died. What is gone needs none: a check that comes
            // late would start one for a tenant that was destroyed.
            Err(AskError::Absent) => {
                let turn = self.turns.take(&subject.tenant).await;
                match self.gone(subject, launch).await? {
                    None => {
                        self.keep(&turn, &Owner::of(subject), subject.incarnation).await?;
                        drop(turn);
                        check().await
                    }
                    Some((exit, thief)) => return replied(Probed::Gone(exit), thief),
                }
            }
            answer => answer,
        };
        match answer {
            Ok(Answer::Checked(Streak::Passing(times))) => replied(Probed::Passed { times }, None),
            Ok(Answer::Checked(Streak::Failing(times, why))) => replied(Probed::Failed { times, why }, None),
            Ok(Answer::Robbed(thief)) => {
                replied(Probed::Failed { times: 1, why: thief.to_string() }, Some(thief))
            }
            Err(AskError::Refused(Refusal::Gone(_))) => {
                let unseen = || (Exit::of(ExitCause::Unseen), None);
                let (exit, thief) = self.gone(subject, launch).await?.unwrap_or_else(unseen);
                replied(Probed::Gone(exit), thief)
            }
            Ok(_) => Err(not_kept(&AskError::Unanswered)),
            Err(error) => Err(not_kept(&error)),
        }
    }

    /// How a launch has ended, and who had a port of it where it was never ready; `None` while its first process lives.
    async fn gone(
        &self,
        subject: &Subject,
        launch: LaunchId,
    ) -> Result<Option<(Exit, Option<Thief>)>, ProviderError> {
        let seen = self.look(whose(subject)).await?.remove(&key(subject, launch));
        Ok(match seen {
            Some(Seen { leader: Some(_), .. }) => None,
            Some(Seen { exit, thief, .. }) => Some((exit.unwrap_or(Exit::of(ExitCause::Unseen)), thief)),
            None => Some((Exit::of(ExitCause::Unseen), None)),
        })
    }

    async fn signal(&self, subject: &Subject, order: &Signal) -> Result<ProcessReply, ProviderError> {
        let key = key(subject, order.launch);
        // Before the signal, so that the end it brings is never taken for a crash.
        self.stop(key.clone());
        let (launch, stop) = (order.launch, order.stop);
        match self.stop_and_see(&subject.tenant, launch, stop).await {
            Ok(Answer::Stopped { whole: true, life }) => {
                return Ok(ProcessReply::Signalled { launch, life: Some(life_kept(life)) });
            }
            // A keeper of an older build.
            Err(AskError::Refused(Refusal::Version(_) | Refusal::Request(_))) => {
                match self.ask(&subject.tenant, Request::Stop { launch, stop }).await {
                    Ok(_) | Err(AskError::Absent | AskError::Unanswered) => {}
                    Err(error @ (AskError::Refused(_) | AskError::System(_))) => {
                        return Err(not_kept(&error));
                    }
                }
            }
            Ok(_) | Err(AskError::Absent | AskError::Unanswered | AskError::Refused(Refusal::Gone(_))) => {}
            Err(error @ (AskError::Refused(_) | AskError::System(_))) => return Err(not_kept(&error)),
        }
        if let Some(seen) = self.look(whose(subject)).await?.remove(&key) {
            match seen.kept {
                Kept::Whole(_) => {}
                Kept::Unknown | Kept::InPart => {
                    signal::signal(&seen, stop).map_err(|error| failed("ending a process", error))?;
                }
            }
        }
        Ok(ProcessReply::Signalled { launch, life: None })
    }

    async fn clear(
        &self,
        subject: &Subject,
        launch: LaunchId,
        container: &str,
    ) -> Result<ProcessReply, ProviderError> {
        match self.ask(&subject.tenant, Request::Forget { launch }).await {
            Ok(_) | Err(AskError::Absent) => {}
            Err(error @ (AskError::Unanswered | AskError::Refused(_) | AskError::System(_))) => {
                return Err(not_kept(&error));
            }
        }
        let files = self.state.launch(&subject.tenant, container, launch);
        let what = "removing the files of a launch";
        // Its volumes may hold much.
        let removed = blocking::read(what, move || files.remove()).await?;
        removed.map_err(|error| failed(what, error))?;
        self.forget(&key(subject, launch));
        Ok(ProcessReply::Cleared { launch })
    }

    /// Runs to its end also when nobody waits for it; one that then comes after a later one does nothing.
    async fn hold(&self, subject: &Subject, volumes: &Volumes) -> Result<ProcessReply, ProviderError> {
        let (given, dir) = (self.volumes_given(&subject.tenant), self.volumes(&subject.tenant));
        let (owner, incarnation, volumes) = (Owner::of(subject), subject.incarnation, volumes.clone());
        let what = "making or removing volumes";
        let holding = move || {
            let mut number = given.lock().unwrap_or_else(PoisonError::into_inner);
            if volumes.number > *number {
                dir.hold(&owner, incarnation, &volumes.held)?;
                *number = volumes.number;
            }
            Ok(*number)
        };
        let number = blocking::read(what, holding).await?.map_err(|error| failed(what, error))?;
        Ok(ProcessReply::Held { number })
    }

    async fn dismiss(
        &self,
        subject: &Subject,
        launches: &BTreeMap<LaunchId, String>,
    ) -> Result<ProcessReply, ProviderError> {
        self.stops.let_out_first(&subject.tenant).await;
        match self.end_keeper(&subject.tenant, launches.keys().copied()).await {
            Ok(()) | Err(AskError::Absent | AskError::Unanswered) => {}
            Err(error @ (AskError::Refused(_) | AskError::System(_))) => return Err(not_kept(&error)),
        }
        let files = |(launch, container): (&LaunchId, &String)| {
            self.state.launch(&subject.tenant, container, *launch)
        };
        let files = launches.iter().map(files).collect();
        self.remove_tenant(&Owner::of(subject), &subject.tenant, files).await?;
        launches.keys().for_each(|launch| self.forget(&key(subject, *launch)));
        Ok(ProcessReply::Dismissed)
    }
}

/// What a call is called in a trace.
pub(super) fn name(call: &ProcessCall) -> &'static str {
    match call {
        ProcessCall::Find => "find",
        ProcessCall::Keep => "keep",
        ProcessCall::ReservePorts(_) => "reserve_ports",
        ProcessCall::Route(_) => "route",
        ProcessCall::Start(_) => "start",
        ProcessCall::Probe(_) => "probe",
        ProcessCall::Signal(_) => "signal",
        ProcessCall::Clear { .. } => "clear",
        ProcessCall::Hold(_) => "hold",
        ProcessCall::Dismiss { .. } => "dismiss",
    }
}

/// What lives of a launch, for the planner.
fn life(seen: &Seen) -> ProcessLife {
    let exit = || seen.exit.clone().unwrap_or(Exit::of(ExitCause::Unseen));
    match (seen.leader, seen.lives()) {
        (Some(leader), _) => ProcessLife::Leader(leader.process()),
        (None, true) => ProcessLife::Orphans(exit()),
        (None, false) => ProcessLife::Files(exit()),
    }
}

/// What lives of a launch that its keeper sees whole.
fn life_kept(life: Life) -> ProcessLife {
    match life {
        Life::Leader { leader, others: _ } => ProcessLife::Leader(leader),
        Life::Ended { cause, left } if left.is_empty() => ProcessLife::Files(Exit::of(cause)),
        Life::Ended { cause, left } => ProcessLife::Orphans(Exit { cause, left }),
    }
}

fn whose(subject: &Subject) -> Whose {
    Whose::Tenant(Owner::of(subject), subject.tenant.clone())
}

fn key(subject: &Subject, launch: LaunchId) -> Key {
    Key { owner: Owner::of(subject), tenant: subject.tenant.clone(), launch }
}
