//! Order lines through the model: made-up ones, and a file of real ones if there is one at hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::inconsistent_digit_grouping,
    reason = "test code; cents are written 1_000_00"
)]

mod model;

use model::ModelPolicy;
use model::plain::DAY;
use model::replay::{ReplayReport, balances, replay, synthetic_csv};

/// Names a file of order lines; the test that needs it is skipped without.
const FILE: &str = "TPLUS_OLIST_CSV";

/// Orders and their price on T+2 and T+7; then gap, available, pending and historical profit of all sellers.
const WITHOUT: &str = "0 0.00, 5154 641586.22; 0.00, 636613.71, 4972.51, 636613.71";
const WITH_100: &str = "3543 233551.34, 1611 408034.88; 13777.81, 537233.00, 3031.03, 638555.19";

fn figures(report: &ReplayReport) -> String {
    let ReplayReport { quick, standard, balances, .. } = report;
    format!(
        "{} {}, {} {}; {}, {}, {}, {}",
        quick.orders,
        quick.price,
        standard.orders,
        standard.price,
        balances.gap,
        balances.available,
        balances.pending,
        balances.historical_profit
    )
}

#[test]
fn real_order_lines() {
    let Ok(path) = std::env::var(FILE) else {
        println!("skipped: {FILE} is not set");
        return;
    };
    let csv = std::fs::read_to_string(path).unwrap();
    for guarantee in [0, 100] {
        let (mut model, report) = replay(&csv, guarantee, ModelPolicy::default());
        println!("guarantee {guarantee}: {report:#?}");
        assert!(report.refused.is_empty());
        assert!(guarantee > 0 || report.quick.orders == 0);
        if report.lines == 5_154 {
            // The file the figures are known of, by a second calculation that keeps sums instead of orders.
            assert_eq!(figures(&report), if guarantee == 0 { WITHOUT } else { WITH_100 });
        }
        model.advance(model.now + 9 * DAY);
        let settled = balances(&model);
        println!("nine days later: {settled:#?}");
        assert_eq!(settled.pending, "0.00");
    }
}

#[test]
fn synthetic_order_lines() {
    let csv = synthetic_csv(6_000, 1_200, 1);
    assert_eq!(csv, synthetic_csv(6_000, 1_200, 1));
    let (_, without) = replay(&csv, 0, ModelPolicy::default());
    assert_eq!((without.lines, without.quick.orders, without.standard.orders), (6_000, 0, 6_000));
    assert!(without.refused.is_empty());
    let (mut model, with) = replay(&csv, 100, ModelPolicy::default());
    assert!(with.sellers > 500 && with.quick.orders > 100 && with.standard.orders > 100, "{with:?}");
    model.advance(model.now + 9 * DAY);
    assert_eq!(balances(&model).pending, "0.00");
    model.check_invariants();
}

/// Downtime in between or a background task at work: the answers and the balances are the same.
#[test]
fn a_background_task_changes_no_balance() {
    let csv = synthetic_csv(800, 40, 7);
    let (mut lazy, report) = replay(&csv, 100, ModelPolicy::default());
    let mut eager = lazy.clone();
    for _ in 0..40 {
        eager.advance(eager.now + DAY / 4);
        eager.apply_all_due();
    }
    lazy.advance(eager.now);
    assert_eq!(balances(&lazy), balances(&eager));
    assert_ne!(balances(&lazy), report.balances);
}
