//! Another policy over the recorded past.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tonic::Status;

use super::{Past, blocking};
use crate::{
    domain::{Evaluation, Event, MerchantId, Timestamp},
    grpc::convert,
    history::{HistoryError, Reader},
    proto::v1,
};

/// How many merchants are listed at once.
const STEP: usize = 1_000;

/// Ends an evaluation when nobody waits for it any more.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Past {
    pub(in crate::grpc) async fn evaluate(
        &self,
        request: &v1::EvaluatePolicyRequest,
    ) -> Result<v1::EvaluatePolicyResponse, Status> {
        let (policy, merchants) = convert::evaluate_policy(request)?;
        let alone = Arc::clone(&self.sharing.evaluations).try_acquire_owned();
        let alone = alone.map_err(|_| convert::busy("another policy is being evaluated"))?;
        for merchant in &merchants {
            self.engine.view(merchant).await.map_err(|error| convert::failed_about(merchant, error))?;
        }
        let (now, reader) = self.of_all().await?;
        let given_up = GivenUp(Arc::new(AtomicBool::new(false)));
        let stop = Arc::clone(&given_up.0);
        let evaluation = blocking(move || {
            // As long as it lasts, also when nobody waits for it any more.
            let _alone = alone;
            let mut evaluation = Evaluation::new(policy);
            let mut run = |merchant: &MerchantId| run(&mut evaluation, &reader, merchant, now);
            if merchants.is_empty() {
                each_merchant(&reader, &stop, run)?;
            } else {
                merchants.iter().take_while(|_| !stop.load(Ordering::Relaxed)).try_for_each(&mut run)?;
            }
            Ok(evaluation)
        });
        Ok(convert::evaluated(&evaluation.await?.outcome, now))
    }
}

fn each_merchant(
    reader: &Reader,
    stop: &AtomicBool,
    mut run: impl FnMut(&MerchantId) -> Result<(), HistoryError>,
) -> Result<(), HistoryError> {
    let mut after = None;
    loop {
        let merchants = reader.merchants(after.as_ref(), STEP)?;
        for merchant in &merchants {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            run(merchant)?;
        }
        match merchants.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}

fn run(
    evaluation: &mut Evaluation,
    reader: &Reader,
    merchant: &MerchantId,
    now: Timestamp,
) -> Result<(), HistoryError> {
    let mut facts: Vec<(Timestamp, Event)> = Vec::new();
    reader.facts(merchant, &mut |entry| {
        facts.push((entry.recorded_at, entry.event.clone()));
        true
    })?;
    evaluation.run(facts.iter().map(|(at, event)| (*at, event)), now);
    Ok(())
}
