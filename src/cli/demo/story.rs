//! The story, act by act. Every number in it follows from the rules; what is claimed of an answer is checked.

use super::stage::Stage;
use crate::cli::Failure;

/// When it begins.
pub(super) const START: &str = "2026-01-01T09:00:00Z";

const QUICK: &str = "SETTLEMENT_CYCLE_QUICK";
const STANDARD: &str = "SETTLEMENT_CYCLE_STANDARD";

/// All of it.
pub(super) async fn tell(stage: &mut Stage) -> Result<(), Failure> {
    stage.say(
        "A marketplace holds what its sellers earn before it pays them. A seller who puts up a guarantee is paid faster: within a daily quota \
         its orders settle on T+2, all others on T+7. Here is a server on a directory that is thrown away, with a clock that is moved by \
         hand. Every command below is really made, and every ✓ was checked against its answer.",
    )?;
    stage.serve()?;
    without_a_guarantee(stage).await?;
    raising(stage).await?;
    quick(stage).await?;
    standard(stage).await?;
    restart(stage).await?;
    lowering(stage).await?;
    dispute(stage).await?;
    books(stage).await
}

async fn without_a_guarantee(stage: &mut Stage) -> Result<(), Failure> {
    stage.act("A merchant without a guarantee")?;
    stage.say("The quota of a day is guarantee × multiple. Without a guarantee there is none. The merchant is opened by its first order:")?;
    let seen = stage.run(&["classify", "shop", "o1=200"]).await?;
    stage.expect(&seen, "/results/0/receipt/quota", "0.00", "the quota is 0 × 1 = 0")?;
    stage.expect(&seen, "/results/0/cycle", STANDARD, "so the order is T+7, which is an answer and no error")?;
    stage.expect(
        &seen,
        "/results/0/settlesAt",
        "2026-01-08T00:00:00Z",
        "it settles when the seventh settlement day after that of its completion begins, at 00:00 UTC",
    )
}

async fn raising(stage: &mut Stage) -> Result<(), Failure> {
    stage.act("Raising it")?;
    stage.say("The merchant opts for a guarantee of 1,000. Nothing is available that could be set aside for it:")?;
    let seen = stage.run(&["guarantee", "set", "shop", "1000", "--request-id", "raise"]).await?;
    stage.expect(&seen, "/gap", "1000.00", "all of it is a gap, which income will fill; the merchant keeps trading")?;
    stage.expect(&seen, "/receipt/quota", "1000.00", "and yet the quota counts the guarantee at once")?;
    let seen = stage.run(&["classify", "shop", "o2=800", "o3=0.01"]).await?;
    stage.expect(
        &seen,
        "/results/0/cycle",
        QUICK,
        "200 + 800 = 1,000: every order counts towards the day, the T+7 ones too, and exactly the quota is inside, so T+2",
    )?;
    stage.expect(
        &seen,
        "/results/0/settlesAt",
        "2026-01-03T00:00:00Z",
        "it settles when the second settlement day begins",
    )?;
    stage.expect(&seen, "/results/1/cycle", STANDARD, "one cent more is T+7")?;
    stage.say("The first order is sent again, now that there is a guarantee. An answer never changes, whatever has changed since:")?;
    let seen = stage.run(&["classify", "shop", "o1=200"]).await?;
    stage.expect(&seen, "/results/0/replayed", "true", "the order is known")?;
    stage.expect(&seen, "/results/0/cycle", STANDARD, "and gets its first answer again: T+7")
}

async fn quick(stage: &mut Stage) -> Result<(), Failure> {
    stage.act("T+2")?;
    stage.run(&["clock", "advance", "2026-01-03"]).await?;
    let seen = stage.run(&["margin", "shop"]).await?;
    stage.expect(
        &seen,
        "/frozen",
        "800.00",
        "800 have settled. Income repays debt first, then fills the gap: all of it is frozen",
    )?;
    stage.expect(&seen, "/gap", "200.00", "the gap is down to 200")?;
    stage.expect(&seen, "/available", "0.00", "nothing is available while there is a gap")?;
    stage.expect(&seen, "/multiple", "1", "historical profit is 800, so the multiple is still 1")
}

async fn standard(stage: &mut Stage) -> Result<(), Failure> {
    stage.act("T+7, and a multiple that grows")?;
    stage.run(&["clock", "advance", "2026-01-08"]).await?;
    let seen = stage.run(&["margin", "shop"]).await?;
    stage.expect(&seen, "/gap", "0.00", "the other 200.01 have settled, and the gap is filled")?;
    stage.expect(&seen, "/available", "0.01", "the cent that was left over can be withdrawn")?;
    stage.expect(&seen, "/historicalProfit", "1000.01", "historical profit is 1,000.01")?;
    stage.expect(&seen, "/multiple", "3", "above 1,000 the multiple is 3; at exactly 1,000.00 it would still be 1")?;
    stage.expect(&seen, "/quota/limit", "3000.00", "so the quota is 1,000 × 3")?;
    stage.say("An order that the old quota would not have taken. Of its price the merchant earns 1,500:")?;
    let seen = stage.run(&["classify", "shop", "o4=2500/1500"]).await?;
    stage.expect(&seen, "/results/0/cycle", QUICK, "2,500 ≤ 3,000: T+2")
}

async fn restart(stage: &mut Stage) -> Result<(), Failure> {
    stage.act("A restart in the middle")?;
    stage.say("Nothing is answered before it is on disk. So the server may be killed at any moment:")?;
    let before = stage.run(&["margin", "shop"]).await?;
    stage.kill()?;
    let after = stage.run(&["margin", "shop"]).await?;
    stage.same(&before, &after, "not a cent and not a second differ")?;
    let seen = stage.run(&["classify", "shop", "o4=2500/1500"]).await?;
    stage.expect(&seen, "/results/0/replayed", "true", "and the last order is known")
}

async fn lowering(stage: &mut Stage) -> Result<(), Failure> {
    stage.act("Lowering, and the 7 days")?;
    stage.run(&["clock", "advance", "2026-01-08 10:00"]).await?;
    let seen = stage.run(&["guarantee", "set", "shop", "400", "--request-id", "lower"]).await?;
    stage.expect(&seen, "/receipt/quota", "1200.00", "for new orders it counts at once: 400 × 3")?;
    stage.expect(&seen, "/release/amount", "600.00", "what is frozen above it is on its way back")?;
    stage.expect(&seen, "/release/dueAt", "2026-01-15T10:00:00Z", "and comes exactly 7 × 24 hours later")?;
    stage.run(&["clock", "advance", "2026-01-15 09:59:59"]).await?;
    let seen = stage.run(&["margin", "shop"]).await?;
    stage.expect(&seen, "/releasingTotal", "600.00", "a second before, the 600 are still on their way")?;
    stage.expect(&seen, "/available", "1500.01", "the 1,500 have settled meanwhile, and there was no gap to fill")?;
    stage.run(&["clock", "advance", "+1s"]).await?;
    let seen = stage.run(&["margin", "shop"]).await?;
    stage.expect(&seen, "/releasingTotal", "0.00", "now nothing is on its way any more")?;
    stage.expect(&seen, "/available", "2100.01", "and the merchant has its 600 back")?;
    let seen = stage.run(&["withdraw", "shop", "2000", "--request-id", "payout-1"]).await?;
    stage.expect(&seen, "/available", "100.01", "2,000 are paid out")?;
    stage
        .refused(
            &["withdraw", "shop", "1000", "--request-id", "payout-2"],
            "INSUFFICIENT_AVAILABLE",
            "more than is available is never paid out; a refusal changes nothing, and uses up no id",
        )
        .await
}

async fn dispute(stage: &mut Stage) -> Result<(), Failure> {
    stage.act("A deduction, and its appeal")?;
    stage.say("The merchant lowers once more, so that 100 are on their way back. Then a dispute costs it 450:")?;
    let seen = stage.run(&["guarantee", "set", "shop", "300", "--request-id", "lower-again"]).await?;
    stage.expect(&seen, "/release/amount", "100.00", "100 are on their way back")?;
    let deduct = ["deduct", "shop", "450", "--reason", "dispute-compensation", "--dispute", "D-17", "--to", "buyer"];
    let seen = stage.run(&[&deduct[..], &["--request-id", "deduct-1"]].concat()).await?;
    stage.expect(&seen, "/split/fromReleasing", "100.00", "first goes what is releasing: 100")?;
    stage.expect(&seen, "/split/fromFrozen", "300.00", "then what is frozen: 300")?;
    stage.expect(
        &seen,
        "/split/fromAvailable",
        "50.00",
        "then what is available: 50; had that not sufficed, the rest would be owed",
    )?;
    stage.expect(
        &seen,
        "/refilled",
        "50.01",
        "the guarantee stays 300; the 50.01 that are left go into the gap at once",
    )?;
    stage.expect(&seen, "/appealUntil", "2026-02-14T10:00:00Z", "the merchant has 30 days to appeal, and does:")?;
    let statement = "two of three parcels arrived";
    stage.run(&["appeal", "open", "shop", "deduct-1", "--statement", statement, "--request-id", "appeal-1"]).await?;
    let resolve =
        ["appeal", "resolve", "shop", "deduct-1", "overturned", "--amount", "300", "--request-id", "resolve-1"];
    let seen = stage.run(&resolve).await?;
    stage.expect(&seen, "/overturned", "300.00", "two thirds are overturned, and come back as income")?;
    stage.expect(&seen, "/income/toGap", "249.99", "the gap first: 300 - 50.01")?;
    stage.expect(&seen, "/income/toAvailable", "50.01", "the rest is available")
}

async fn books(stage: &mut Stage) -> Result<(), Failure> {
    stage.act("Nothing is lost")?;
    stage.say("Everything that happened is an entry, with what it rested on and all balances after it. The deduction was the thirteenth:")?;
    let seen = stage.run(&["entry", "shop", "13"]).await?;
    stage.expect(&seen, "/entry/kind", "ENTRY_KIND_MARGIN_DEDUCTED", "it is there")?;
    stage.expect(&seen, "/entry/balances/frozen", "50.01", "with what was frozen after it")?;
    let seen = stage.run(&["margin", "shop", "--as-of", "2026-01-05"]).await?;
    stage.expect(
        &seen,
        "/pendingTotal",
        "200.01",
        "any past instant can be seen: on the fifth, 200.01 had not settled",
    )?;
    stage.expect(&seen, "/frozen", "800.00", "and 800 were frozen")?;
    stage.say("All merchants (here it is one), added up:")?;
    let seen = stage.run(&["trial-balance"]).await?;
    stage.expect(&seen, "/flowsToDate/settled", "2500.01", "what settled: 200 + 800 + 0.01 + 1,500")?;
    stage.expect(&seen, "/closing/held", "350.01", "less 2,000 paid out and 150 deducted for good: 350.01 are held")?;
    stage.expect(&seen, "/difference", "0.00", "and it adds up to the cent")?;
    stage.verify().await
}
