//! Making a batch durable, and what its answer says.

use std::sync::atomic::Ordering;
use std::time::Duration;

use landlord_state_machines::id::Revision;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use landlord_compute::store::{Epoch, Position, StoreError, Write, WriteError};

use super::batch::{self, Batch};
use super::error::{self, Failed, Verdict};
use super::link::{Asked, Value};
use super::session::{Session, column, one, unsigned};
use super::statement;

/// How often a statement is tried again that met another one.
const TRIES: u32 = 10;

/// The longest pause before it is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of each write.
type Answers = Vec<Option<Result<Position, WriteError>>>;

impl Session {
    /// Makes writes durable, and answers each.
    pub(crate) async fn commit(
        &self,
        epoch: Epoch,
        writes: &[Write],
    ) -> Result<Vec<Result<Position, WriteError>>, StoreError> {
        self.check(epoch)?;
        self.sure().await?;
        self.make_room(writes.len()).await?;
        let mut answers: Answers = vec![None; writes.len()];
        for run in batch::runs(writes) {
            for alone in self.make(writes, &run, &mut answers).await? {
                self.make(writes, &[alone], &mut answers).await?;
            }
        }
        self.trim(writes.len()).await;
        let unanswered = || error::row(self.place(), "an answer", "a write was not answered");
        answers.into_iter().map(|answer| answer.ok_or_else(unanswered)).collect()
    }

    /// Makes some of the writes in one statement. Where the server cannot take what one of several says, none is made, and these
    /// are to be made each alone.
    async fn make(
        &self,
        writes: &[Write],
        numbers: &[usize],
        answers: &mut Answers,
    ) -> Result<Vec<usize>, StoreError> {
        let batch = Batch::of(writes, numbers, |number, error| answer(answers, number, Err(error)));
        match self.make_batch(&batch).await {
            Ok(_) if batch.numbers.is_empty() => Ok(Vec::new()),
            Ok(rows) if rows.is_empty() => Err(self.why_not().await),
            Ok(rows) => {
                self.read_answers(writes, &batch, &rows, answers)?;
                Ok(Vec::new())
            }
            Err(failed) if failed.verdict() == Verdict::Unfit => {
                let [number] = batch.numbers[..] else { return Ok(batch.numbers) };
                answer(answers, number, Err(WriteError::Invalid(unfit(failed, self.place()))));
                Ok(Vec::new())
            }
            Err(failed) => Err(failed.told(self.place(), "commit to")),
        }
    }

    /// The answer of a statement; it is tried again as long as it met others.
    async fn make_batch(&self, batch: &Batch<'_>) -> Result<Vec<Row>, Failed> {
        if batch.numbers.is_empty() {
            return Ok(Vec::new());
        }
        let sql = statement::commit(batch, self.guard());
        let (generation, head) = (self.generation(), self.head.load(Ordering::Acquire));
        let mut values: Vec<Value<'_>> =
            vec![(&self.epoch, Type::INT8), (&generation, Type::INT8), (&head, Type::INT8)];
        values.extend(batch.writes.values());
        if batch.parts.settled {
            values.extend(batch.settlements.values());
        }
        let mut tries = 0;
        loop {
            // Until a connection is there, nothing is sent and nothing is in doubt.
            let mut link = self.commits.take().await?;
            let doubt = self.doubt();
            let answer = link.ask(Asked::Often, &sql, &values).await;
            let verdict = answer.as_ref().err().map(Failed::verdict);
            match verdict {
                Some(Verdict::InDoubt) => drop(doubt),
                None | Some(Verdict::Again | Verdict::Unfit | Verdict::NotMade) => doubt.over(),
            }
            if verdict != Some(Verdict::Again) || tries == TRIES {
                return answer;
            }
            drop(link);
            tries += 1;
            tokio::time::sleep(PAUSE.mul_f64(fastrand::f64())).await;
        }
    }

    fn read_answers(
        &self,
        writes: &[Write],
        batch: &Batch<'_>,
        rows: &[Row],
        answers: &mut Answers,
    ) -> Result<(), StoreError> {
        let place = self.place();
        let first = one(place, rows)?;
        let (position, made): (i64, i64) = (column(place, first, 0)?, column(place, first, 1)?);
        for row in rows {
            let Some(number) = column::<Option<i64>>(place, row, 2)?.and_then(|n| usize::try_from(n).ok())
            else {
                continue;
            };
            let Some(write) = writes.get(number) else { continue };
            let actual = Revision(unsigned(column(place, row, 3)?));
            let problem: Option<&str> = column(place, row, 4)?;
            let error = refusal(write, problem, actual);
            answer(answers, number, Err(error));
        }
        let mut next = position - made;
        for number in &batch.numbers {
            if answers.get(*number).is_some_and(Option::is_none) {
                next += 1;
                answer(answers, *number, Ok(Position(unsigned(next))));
            }
        }
        self.head.fetch_max(position, Ordering::AcqRel);
        if next != position {
            let problem = format!("{made} writes were made, up to position {position}, and others answered");
            return Err(error::row(place, "an answer", problem));
        }
        Ok(())
    }
}

fn answer(answers: &mut Answers, number: usize, said: Result<Position, WriteError>) {
    if let Some(answer) = answers.get_mut(number) {
        *answer = Some(said);
    }
}

/// Why a write was not made. Where nothing spoke against it, another engine was faster than the snapshot shows: its revision is
/// the next one, or a later one.
fn refusal(write: &Write, problem: Option<&str>, actual: Revision) -> WriteError {
    let exists = |what: String| WriteError::Invalid(format!("{what} already"));
    match problem {
        None => {
            let expected = write.expected;
            WriteError::RevisionMismatch { expected, actual: actual.max(expected.next()) }
        }
        Some("revision") => WriteError::RevisionMismatch { expected: write.expected, actual },
        Some("operation") => exists(match &write.opened {
            Some(opened) => format!("operation {} exists", opened.id),
            None => "the operation exists".to_owned(),
        }),
        Some("request") => exists("there is a request of this name".to_owned()),
        Some("spec") => exists("there is a spec of this version".to_owned()),
        Some(other) => WriteError::Invalid(other.to_owned()),
    }
}

/// Why the server cannot take a write, in its words.
fn unfit(failed: Failed, place: &str) -> String {
    match failed {
        Failed::Postgres(cause) => cause.as_db_error().map_or_else(
            || "the server refused it".to_owned(),
            |refusal| format!("{} (PostgreSQL's code {})", refusal.message(), refusal.code().code()),
        ),
        failed @ (Failed::Late(_) | Failed::Unreached(_) | Failed::Unconfirmed) => {
            failed.told(place, "write").to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use landlord_testing::store::samples::StoredLife;

    use super::*;

    #[test]
    fn a_write_that_was_not_made_says_why() {
        let write = StoredLife::new("acme").begin();
        let mismatch = WriteError::RevisionMismatch { expected: Revision(0), actual: Revision(4) };
        assert_eq!(refusal(&write, Some("revision"), Revision(4)), mismatch);
        for problem in ["operation", "request", "spec"] {
            let refused = refusal(&write, Some(problem), Revision(0));
            assert!(matches!(refused, WriteError::Invalid(said) if said.contains("already")));
        }
        // It lost a race that the snapshot did not see.
        let raced = WriteError::RevisionMismatch { expected: Revision(0), actual: Revision(1) };
        assert_eq!(refusal(&write, None, Revision(0)), raced);
    }
}
