//! The machine: a whole life, and the two decisions that a running fleet makes most.

use criterion::{BatchSize, Criterion, Throughput};
use landlord_compute::machines::tenant::{Policy, Record};

use super::lives::{checked, decide, destroy, provision, succeeded, tenant, update};

pub(crate) fn measure(criterion: &mut Criterion) {
    let policy = Policy::default();
    let id = tenant(1);
    let (first, second) = (checked(&id, "v1"), checked(&id, "v2"));

    let mut group = criterion.benchmark_group("step");
    group.throughput(Throughput::Elements(6));
    group.bench_function("life", |bencher| {
        bencher.iter(|| {
            let mut record = Record::Absent(id.clone());
            let commands = [provision(first.clone()), update(second.clone()), destroy()];
            for (number, command) in (1..).zip(commands) {
                record = decide(&policy, &record, number, command).record;
                record = decide(&policy, &record, 9, succeeded(&record)).record;
            }
            record
        });
    });

    let provisioning = decide(&policy, &Record::Absent(id.clone()), 1, provision(first)).record;
    let running = decide(&policy, &provisioning, 9, succeeded(&provisioning)).record;
    let updating = decide(&policy, &running, 2, update(second.clone())).record;
    group.throughput(Throughput::Elements(1));
    group.bench_function("running, update", |bencher| {
        let input = || update(second.clone());
        bencher.iter_batched(input, |input| decide(&policy, &running, 2, input), BatchSize::SmallInput);
    });
    group.bench_function("updating, succeeded", |bencher| {
        let input = || succeeded(&updating);
        bencher.iter_batched(input, |input| decide(&policy, &updating, 9, input), BatchSize::SmallInput);
    });
    group.finish();
}
