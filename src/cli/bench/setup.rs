//! Before the load: what the server is asked about itself, and the guarantees of its merchants.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use indicatif::ProgressBar;
use tokio::{task::JoinSet, time::sleep};

use super::{
    check::Expected,
    load::{guarantee, has_guarantee},
    options::{Merchants, Mode, Options, Plan},
    report::bar,
    server::Target,
    wire::{Link, Path, WireError},
};
use crate::{
    cli::{
        Exit, Failure,
        call::{self, TRIES, patiently},
    },
    proto::v1::{ClockMode, GetPolicyRequest, QuotaBasis, QuotaCounts, policy_service_client::PolicyServiceClient},
};

/// Connections and calls in flight on each, while guarantees are put up.
const CONNECTIONS: u32 = 4;
const IN_FLIGHT: u32 = 256;
/// When a server that is overloaded is asked again.
const AGAIN: Duration = Duration::from_millis(20);

/// Asks the server for its time and its rules.
pub(super) async fn expected(options: &Options, plan: &Plan, target: &Target) -> Result<Expected, Failure> {
    let expected = of_server(plan, target).await?;
    Ok(Expected {
        merchants: (!options.no_setup).then_some(plan.merchants),
        ids_are_new: options.seed.is_none() || target.is_ours(),
        ..expected
    })
}

/// As above, of a server that was just started.
pub(super) async fn of_server(plan: &Plan, target: &Target) -> Result<Expected, Failure> {
    let server = target.way().server();
    let (now, mode) = call::clock(&server).await?;
    let asked = Instant::now();
    let policy = patiently(TRIES, || {
        let mut client = PolicyServiceClient::new(server.connection());
        async move { client.get_policy(GetPolicyRequest::default()).await }
    });
    let policy = policy.await.map_err(|error| error.during("asking for the policy"))?;
    let policy = policy.policy.and_then(|version| version.policy).unwrap_or_default();
    let published = policy.quota_counts() == QuotaCounts::All && policy.quota_basis() == QuotaBasis::Guarantee;
    Ok(Expected {
        day_start: policy.day_start.map_or(0, |start| start.seconds),
        days: (policy.quick_days.into(), policy.standard_days.into()),
        clock: (now.micros().div_euclid(1_000_000), asked),
        clock_goes: mode != ClockMode::Manual,
        merchants: Some(plan.merchants),
        receipts: plan.receipts || plan.mode == Mode::Unary,
        published,
        repeats: plan.repeats > 0.0,
        ids_are_new: true,
        in_order: plan.mode == Mode::Stream,
    })
}

/// Puts up the guarantees of all merchants that have one.
pub(super) async fn guarantees(target: &Target, merchants: Merchants) -> Result<(), Failure> {
    let progress = bar(u64::from(merchants.count), "{bar:40} {human_pos}/{human_len} merchants, {per_sec}, {eta} left");
    let next = Arc::new(AtomicU32::new(0));
    let mut calls = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let link = Link::connect(target.way(), Path::ModifyGuarantee).await.map_err(failed)?;
        for _ in 0..IN_FLIGHT {
            calls.spawn(put_up(link.clone(), merchants, Arc::clone(&next), progress.clone()));
        }
    }
    while let Some(ended) = calls.join_next().await {
        ended.map_err(|error| Failure::new(Exit::Failed, error))??;
    }
    progress.finish_and_clear();
    Ok(())
}

async fn put_up(
    mut link: Link,
    merchants: Merchants,
    next: Arc<AtomicU32>,
    progress: ProgressBar,
) -> Result<(), Failure> {
    loop {
        let merchant = next.fetch_add(1, Ordering::Relaxed);
        if merchant >= merchants.count {
            return Ok(());
        }
        while has_guarantee(merchant, &merchants) {
            match link.call(framed(&guarantee(merchant, &merchants))).await.map_err(failed)? {
                Ok(_) => break,
                Err(refusal) if refusal.is_of_overload() => sleep(AGAIN).await,
                Err(refusal) => {
                    return Err(Failure::new(Exit::Failed, refusal.to_string()).during("putting up a guarantee"));
                }
            }
        }
        progress.inc(1);
    }
}

fn failed(error: WireError) -> Failure {
    Failure::new(Exit::Failed, error).during("putting up guarantees")
}

/// A message as gRPC sends it.
fn framed(message: &impl prost::Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    bytes.extend_from_slice(&message.encode_to_vec());
    bytes.freeze()
}
