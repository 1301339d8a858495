//! A durable workflow as one writes it on PostgreSQL without an engine, and as Temporal keeps one there: a row for each task,
//! workers that take rows with `SKIP LOCKED`, and a transaction for each step.
//!
//! A tenant's life is the same six steps. A step writes the workflow's state, an event, and the next task.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, Statement};

use super::connect;

const TABLES: &str = "
CREATE TABLE workflows (
    id         text PRIMARY KEY,
    state      text NOT NULL,
    spec       jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE tasks (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow    text NOT NULL REFERENCES workflows,
    step        int NOT NULL,
    status      text NOT NULL DEFAULT 'ready',
    attempts    int NOT NULL DEFAULT 0,
    run_at      timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX tasks_ready ON tasks (run_at, id) WHERE status = 'ready';
CREATE TABLE history (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow text NOT NULL REFERENCES workflows,
    at       timestamptz NOT NULL DEFAULT now(),
    what     jsonb NOT NULL
);
CREATE INDEX history_workflow ON history (workflow, id);
";

/// What a workflow's state is after each step.
const STATES: [&str; 6] = ["provisioning", "running", "updating", "running", "destroying", "gone"];

/// A worker's connection and its statements, which the server has prepared.
struct Worker {
    client: Client,
    take: Statement,
    changed: Statement,
    happened: Statement,
    done: Statement,
    next: Statement,
}

impl Worker {
    async fn new(url: &str) -> Self {
        let client = connect(url).await;
        let take = "SELECT id, workflow, step FROM tasks WHERE status = 'ready' AND run_at <= now()
            ORDER BY run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED";
        let changed = "UPDATE workflows SET state = $2, updated_at = now() WHERE id = $1";
        let happened =
            "INSERT INTO history (workflow, what) VALUES ($1, jsonb_build_object('state', $2::text))";
        let done =
            "UPDATE tasks SET status = 'done', attempts = attempts + 1, finished_at = now() WHERE id = $1";
        let next = "INSERT INTO tasks (workflow, step) VALUES ($1, $2)";
        let prepare = async |sql| client.prepare(sql).await.expect("it is sound");
        let (take, changed, happened) =
            (prepare(take).await, prepare(changed).await, prepare(happened).await);
        let (done, next) = (prepare(done).await, prepare(next).await);
        Self { client, take, changed, happened, done, next }
    }

    /// Makes one step, if there is one to make: whether it was the last one of a workflow.
    async fn step(&mut self) -> Result<Option<bool>, tokio_postgres::Error> {
        let transaction = self.client.transaction().await?;
        let Some(task) = transaction.query_opt(&self.take, &[]).await? else { return Ok(None) };
        let (id, workflow, step): (i64, String, i32) = (task.get(0), task.get(1), task.get(2));
        let state = STATES[usize::try_from(step).expect("it is one of them")];
        // Here a provider would be called, which returns at once.
        transaction.execute(&self.changed, &[&workflow, &state]).await?;
        transaction.execute(&self.happened, &[&workflow, &state]).await?;
        transaction.execute(&self.done, &[&id]).await?;
        let is_last = step + 1 == i32::try_from(STATES.len()).expect("they are few");
        if !is_last {
            transaction.execute(&self.next, &[&workflow, &(step + 1)]).await?;
        }
        transaction.commit().await?;
        Ok(Some(is_last))
    }
}

/// Leads so many workflows through all their steps with so many workers, and says how long the steps took.
pub(crate) async fn run(url: &str, workflows: usize, workers: usize) -> Duration {
    let client = connect(url).await;
    client.batch_execute(TABLES).await.expect("the tables are made");
    let begin = format!(
        "INSERT INTO workflows (id, state, spec)
            SELECT 'tenant-' || n, 'accepted', '{{\"image\": \"nginx:1\", \"cpu\": 128, \"memory\": 128}}'
            FROM generate_series(1, {workflows}) AS n;
        INSERT INTO tasks (workflow, step) SELECT id, 0 FROM workflows;
        ANALYZE workflows, tasks;"
    );
    client.batch_execute(&begin).await.expect("they are written");
    let mut ready = Vec::new();
    for _ in 0..workers {
        ready.push(Worker::new(url).await);
    }
    let left = Arc::new(AtomicUsize::new(workflows));
    let began = Instant::now();
    let working = ready.into_iter().map(|mut worker| {
        let left = Arc::clone(&left);
        tokio::spawn(async move {
            while left.load(Ordering::Acquire) > 0 {
                match worker.step().await.expect("it is made") {
                    Some(true) => {
                        left.fetch_sub(1, Ordering::AcqRel);
                    }
                    Some(false) => {}
                    // The rest is with other workers.
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        })
    });
    for worker in working.collect::<Vec<_>>() {
        worker.await.expect("no panic");
    }
    let took = began.elapsed();
    let steps = client.query_one("SELECT count(*) FROM history", &[]).await.expect("it is read");
    assert_eq!(steps.get::<_, i64>(0) as usize, workflows * STATES.len(), "every step was made once");
    took
}
