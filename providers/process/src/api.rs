//! Makes one call of the planner on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::planner::process::{
    Check, Found, FoundLaunch, LaunchId, Port, Probe, Probed, Process, ProcessCall, ProcessLife,
    ProcessReply, Protocol, ReservePorts, Signal, Start,
};
use landlord_state_machines::planner::{CallError, Subject};

use super::find::{Seen, Whose};
use super::machine::Machine;
use super::probe::Verdict;
use super::procfs::{self, Identity};
use super::tags::{Key, Owner, Tags};
use super::{exec, exit, launch, probe, problem, signal};

impl Machine {
    /// Makes the call once. Its writes are done without waiting in between, so that one that was refused did
    /// nothing, and one whose future is dropped was done whole or not at all.
    pub(super) async fn make(
        &self,
        subject: &Subject,
        call: &ProcessCall,
    ) -> Result<ProcessReply, CallError> {
        let reply = match call {
            ProcessCall::Find => self.find(subject).await,
            ProcessCall::ReservePorts(wanted) => self.reserve(wanted).await,
            ProcessCall::Start(start) => self.start(subject, start).await,
            ProcessCall::Probe(asked) => self.probe(subject, asked).await,
            ProcessCall::Signal(order) => self.signal(subject, order).await,
            ProcessCall::Clear { launch, container } => self.clear(subject, *launch, container),
        };
        reply.map_err(CallError::Refused)
    }

    async fn find(&self, subject: &Subject) -> Result<ProcessReply, ProviderError> {
        let mut launches = BTreeMap::new();
        for (key, seen) in self.look(whose(subject)).await? {
            let life = self.life(&key, &seen).map_err(|error| failed("reading how a launch ended", error))?;
            launches.insert(key.launch, FoundLaunch { manifest: seen.tags.manifest, life });
        }
        Ok(ProcessReply::Found(Found { launches }))
    }

    fn life(&self, key: &Key, seen: &Seen) -> io::Result<ProcessLife> {
        Ok(match (seen.leader, seen.members.is_empty()) {
            (Some(leader), _) => ProcessLife::Leader(process(leader)),
            (None, false) => ProcessLife::Orphans(exit::of(key, &self.launches)?),
            (None, true) => ProcessLife::Files(exit::of(key, &self.launches)?),
        })
    }

    async fn reserve(&self, wanted: &ReservePorts) -> Result<ProcessReply, ProviderError> {
        // Also those of processes that do not listen yet.
        let all = self.look(Whose::Everybody).await?;
        let alive = all.values().filter(|seen| seen.processes().next().is_some());
        let mut taken: BTreeSet<u16> =
            alive.flat_map(|seen| &seen.tags.manifest.ports).map(|port| port.host_port).collect();
        let mut ports: BTreeMap<String, Vec<Port>> = BTreeMap::new();
        for (container, wanted) in &wanted.wanted {
            let given = ports.entry(container.clone()).or_default();
            for port in wanted {
                let host_port =
                    self.ports.allocate(port.protocol, port.before, &taken).map_err(|no_port| {
                        let kind = ErrorKind::ProvisionFailed;
                        let what = format!("container {container}: {no_port}");
                        ProviderError::new(kind, Remedy::Retry, ErrorCode::ResourceExhausted, what)
                    })?;
                taken.insert(host_port);
                given.push(Port {
                    container_port: port.container_port,
                    host_port,
                    protocol: port.protocol,
                    name: port.name.clone(),
                });
            }
        }
        Ok(ProcessReply::Ports(ports))
    }

    async fn start(&self, subject: &Subject, start: &Start) -> Result<ProcessReply, ProviderError> {
        let tags = Tags { key: key(subject, start.launch), manifest: start.manifest.clone() };
        let leader = launch::launch(&self.state, &self.launches, start, &tags).await?;
        Ok(ProcessReply::Started { launch: start.launch, leader: process(leader) })
    }

    async fn probe(&self, subject: &Subject, asked: &Probe) -> Result<ProcessReply, ProviderError> {
        let key = key(subject, asked.launch);
        let leader = Identity::new(asked.leader.pid, asked.leader.start_time);
        let verdict = match leader.filter(|leader| procfs::is_alive(*leader)) {
            Some(leader) => Some(self.check(&key, leader, asked).await),
            None => None,
        };
        let probed = match (verdict, leader.is_some_and(procfs::is_alive)) {
            (Some(Verdict::Passed), true) => Probed::Passed,
            (Some(Verdict::Failed(why)), true) => Probed::Failed(why),
            (Some(_) | None, _) => {
                let exit = exit::of(&key, &self.launches);
                Probed::Gone(exit.map_err(|error| failed("reading how a launch ended", error))?)
            }
        };
        Ok(ProcessReply::Probed { launch: asked.launch, probed })
    }

    async fn check(&self, key: &Key, leader: Identity, asked: &Probe) -> Verdict {
        let within = Duration::from_secs(asked.timeout_seconds.into());
        let host_port = |number: u16| {
            let is_it = |port: &&Port| port.container_port == number && port.protocol == Protocol::Tcp;
            asked.ports.iter().find(is_it).map(|port| port.host_port)
        };
        let unmapped =
            |number| Verdict::Failed(format!("port {number} is not one of the container's tcp ports"));
        match &asked.check {
            Check::Alive => Verdict::Passed,
            Check::Tcp { port } => match host_port(*port) {
                Some(host_port) => probe::tcp(host_port, within).await,
                None => unmapped(*port),
            },
            Check::Http { port, path } => match host_port(*port) {
                Some(host_port) => probe::http(host_port, path, within).await,
                None => unmapped(*port),
            },
            Check::Exec => exec::exec(&self.launches, key, leader, within).await,
        }
    }

    async fn signal(&self, subject: &Subject, order: &Signal) -> Result<ProcessReply, ProviderError> {
        let key = key(subject, order.launch);
        let seen = self.look(whose(subject)).await?.remove(&key);
        if let Some(seen) = seen {
            // Before the signal, so that the end it brings is never taken for a crash.
            self.launches.stop(key);
            signal::signal(&seen, order.stop).map_err(|error| failed("ending a process", error))?;
        }
        Ok(ProcessReply::Signalled { launch: order.launch })
    }

    fn clear(
        &self,
        subject: &Subject,
        launch: LaunchId,
        container: &str,
    ) -> Result<ProcessReply, ProviderError> {
        let files = self.state.launch(&subject.tenant, container, launch);
        let cleared = files.remove_record().and_then(|()| files.prune_logs(container));
        cleared.map_err(|error| failed("removing the files of a launch", error))?;
        self.launches.forget(&key(subject, launch));
        Ok(ProcessReply::Cleared { launch })
    }
}

fn whose(subject: &Subject) -> Whose {
    Whose::Tenant(Owner::of(subject), subject.tenant.clone())
}

fn key(subject: &Subject, launch: LaunchId) -> Key {
    Key { owner: Owner::of(subject), tenant: subject.tenant.clone(), launch }
}

fn process(identity: Identity) -> Process {
    Process { pid: identity.pid(), start_time: identity.started }
}

/// What kind of error it is for the caller, the driver says.
fn failed(what: &str, error: io::Error) -> ProviderError {
    problem::system(ErrorKind::ProvisionFailed, what, error)
}
