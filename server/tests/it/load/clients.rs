//! Clients that send commands, each for tenants of its own, until each is answered.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use landlord_api::Code;
use landlord_client::{Client, ClientError, Command, CommandOptions, SpecText};
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_testing::fixtures;

use super::until;

/// The pause before a command is sent again.
const AGAIN: Duration = Duration::from_millis(50);

pub(super) struct Load {
    clients: Vec<Client>,
    tenants: usize,
    /// The operations that were answered, with the request that each was the answer to.
    answered: Mutex<Vec<(TenantId, usize, OperationId)>>,
    too_much: AtomicUsize,
}

/// How long the answers took.
pub(super) struct Measured {
    pub(super) answers: Vec<Duration>,
    pub(super) took: Duration,
    pub(super) too_much: usize,
}

impl Measured {
    pub(super) fn per_second(&self) -> f64 {
        self.answers.len() as f64 / self.took.as_secs_f64()
    }

    pub(super) fn p99(&self) -> Duration {
        self.quantile(0.99)
    }

    pub(super) fn quantile(&self, which: f64) -> Duration {
        self.answers[((self.answers.len() - 1) as f64 * which) as usize]
    }
}

pub(super) fn tenant(number: usize) -> TenantId {
    fixtures::tenant(&format!("t-{number}"))
}

impl Load {
    pub(super) fn new(clients: Vec<Client>, tenants: usize) -> Self {
        Self { clients, tenants, answered: Mutex::default(), too_much: AtomicUsize::new(0) }
    }

    /// Every client provisions its tenants, one after the other.
    pub(super) async fn provision(&self) -> Measured {
        self.update_at(0, f64::INFINITY).await
    }

    /// Every client gives its tenants another spec, all of them together so many in a second. What is measured is from when
    /// a command was due.
    pub(super) async fn update_at(&self, round: usize, per_second: f64) -> Measured {
        let (begun, before) = (Instant::now(), self.too_much.load(Ordering::Relaxed));
        let each = self.clients.iter().enumerate().map(|(first, client)| async move {
            let mut answers = Vec::new();
            for number in (first..self.tenants).step_by(self.clients.len()) {
                let due = begun + Duration::from_secs_f64(number as f64 / per_second);
                tokio::time::sleep_until(due.into()).await;
                let due = if per_second.is_finite() { due } else { Instant::now() };
                let operation = self.command(client, &tenant(number), round).await;
                answers.push(due.elapsed());
                self.answered.lock().expect("no panic").push((tenant(number), round, operation));
            }
            answers
        });
        let mut answers = join_all(each).await.concat();
        answers.sort_unstable();
        assert_eq!(answers.len(), self.tenants);
        let too_much = self.too_much.load(Ordering::Relaxed) - before;
        Measured { answers, took: begun.elapsed(), too_much }
    }

    /// Sends a command until it is answered.
    async fn command(&self, client: &Client, tenant: &TenantId, round: usize) -> OperationId {
        let spec = fixtures::spec(tenant.as_str(), &format!("v{round}"));
        let spec = SpecText::json(serde_json::to_string(&spec).expect("a document"));
        let mut options = CommandOptions::default();
        options.request_id = Some(format!("round-{round}"));
        loop {
            match client.command(tenant, Command::Put(spec.clone()), &options).await {
                Ok(accepted) => return accepted.operation.expect("each spec is another one"),
                Err(ClientError::Problem(problem)) if problem.code == Code::Overloaded => {
                    self.too_much.fetch_add(1, Ordering::Relaxed);
                }
                // The server is away.
                Err(ClientError::Unreachable(_)) => {}
                Err(other) => panic!("{tenant}: {other}"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Every command that was answered is known, and the same request has the same answer.
    pub(super) async fn every_answer_is_known(&self) {
        let answered = std::mem::take(&mut *self.answered.lock().expect("no panic"));
        assert!(answered.len() >= 2 * self.tenants);
        let chunks = answered.chunks(answered.len().div_ceil(64));
        let each = chunks.zip(&self.clients).map(|(chunk, client)| async move {
            for (tenant, round, operation) in chunk {
                let known = client.operation(*operation).await.expect("it is known");
                let request = format!("round-{round}");
                assert_eq!((&known.tenant_id, known.request_id.as_ref()), (tenant, Some(&request)));
                let again = self.command(client, tenant, *round).await;
                assert_eq!(again, *operation, "{tenant} {request}");
            }
        });
        join_all(each).await;
    }

    /// The revision of each tenant, once nothing is on its way any more.
    pub(super) async fn revisions(&self) -> Vec<(TenantId, u64)> {
        let mut revisions = Vec::new();
        for chunk in (0..self.tenants).collect::<Vec<_>>().chunks(64) {
            let each = chunk.iter().zip(&self.clients).map(|(number, client)| async move {
                let tenant = tenant(*number);
                let known = until("its rest", async || {
                    let known = client.tenant(&tenant).await.expect("it lives").tenant;
                    known.operation.is_none().then_some(known)
                });
                let revision = known.await.revision.0;
                (tenant, revision)
            });
            revisions.extend(join_all(each).await);
        }
        revisions
    }
}
