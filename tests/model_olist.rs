//! Order lines through the model: made-up ones, and a file of real ones if there is one at hand.

mod model;

use model::plain::DAY;
use model::replay::{balances, replay, synthetic_csv};
use model::ModelPolicy;

/// Names a file of order lines; the test that needs it is skipped without.
const FILE: &str = "TPLUS_OLIST_CSV";

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
        if guarantee == 0 {
            assert_eq!(report.quick.orders, 0);
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
