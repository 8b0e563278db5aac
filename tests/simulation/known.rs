//! What is known to be wrong in the engine and waits to be mended. All of this goes then.

use crate::{
    model::{
        answers::{Effect, ModelAnswer},
        history::Past,
        ledger::Kind,
        plain::DAY,
        reads::Told,
    },
    wire::Refusal,
};

/// After a change of the calendar the start of the day of completion is told by the calendar in force, and not as it was: its date is
/// right. The receipt of a reversal tells the total of the order's day, but when today ends, if the order was completed ahead.
pub(crate) fn forgiven(mut answer: Result<ModelAnswer, Refusal>) -> Result<ModelAnswer, Refusal> {
    match &mut answer {
        Ok(ModelAnswer::Margin(margin) | ModelAnswer::Told(Told::Past(Past::Margin(margin)))) => {
            margin.pending.iter_mut().for_each(|pending| pending.completed_day -= pending.completed_day % DAY);
        }
        Ok(ModelAnswer::Told(Told::Past(Past::Statement(statement)))) => {
            statement.lines.iter_mut().for_each(|line| line.completed_day -= line.completed_day % DAY);
            // An imported order that had settled elsewhere is not listed, though it has this settlement date.
            statement.orders.retain(|order| !order.imported || order.settles_at > order.recorded_at);
        }
        Ok(ModelAnswer::Commanded(commanded)) if matches!(commanded.effect, Effect::Reversed { .. }) => {
            commanded.receipt.resets_at = 0;
        }
        Ok(ModelAnswer::Told(Told::Past(Past::Entries(entries)))) => {
            let reversals = entries.iter_mut().filter(|entry| entry.kind == Kind::OrderReversed);
            reversals.filter_map(|entry| entry.receipt.as_mut()).for_each(|told| told.resets_at = 0);
        }
        Ok(ModelAnswer::Told(Told::Past(Past::Order(shown)))) => {
            shown.reversals.iter_mut().filter_map(|entry| entry.receipt.as_mut()).for_each(|told| told.resets_at = 0);
        }
        _ => {}
    }
    answer
}

/// A line of a statement is told on the date that its entry counts from, and not on the settlement date, which differ for what came
/// late: only those that both tell are compared.
pub(crate) fn forgiven_together(
    answer: &mut Result<ModelAnswer, Refusal>,
    expected: &mut Result<ModelAnswer, Refusal>,
) {
    use ModelAnswer::Told as Answered;
    let (Ok(Answered(Told::Past(Past::Statement(one)))), Ok(Answered(Told::Past(Past::Statement(other))))) =
        (answer, expected)
    else {
        return;
    };
    if one.lines.len() != other.lines.len() {
        one.lines.retain(|line| other.lines.contains(line));
        other.lines.retain(|line| one.lines.contains(line));
        (one.orders_settled, one.profit_settled) = (other.orders_settled, other.profit_settled.clone());
    }
}
