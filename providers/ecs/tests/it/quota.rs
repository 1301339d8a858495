//! The quotas of AWS are used up and not exceeded.

use std::time::Duration;

use super::fleet::with_engine;

#[tokio::test(start_paused = true)]
async fn many_tenants_take_as_long_as_the_quotas_allow_and_none_fails() {
    let alone = with_engine(1).await;
    let together = with_engine(60).await;
    for (phase, alone) in together.into_iter().zip(alone) {
        assert_eq!(phase.failed, [] as [String; 0], "{phase}");
        assert_eq!(phase.throttled(), 0, "{phase}");
        // The last tenant begins when the quota lets it, and then takes as long as it would alone.
        assert!(phase.allowed() >= Duration::from_secs(10), "the quotas are what holds them up: {phase}");
        assert!(
            phase.took <= phase.allowed().mul_f64(1.1) + alone.took,
            "alone it is {alone}together {phase}"
        );
    }
}
