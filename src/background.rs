//! Threads whose work can wait.

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// Lets every other thread go first where there is not enough of the processors for all, with this thread and those that it starts. As
/// nice as a thread can be is not enough: it would still finish its turn, for milliseconds, while who answers waits.
///
/// Such a thread may hold a lock that others want: whoever waits for it leaves it a processor.
pub(crate) fn give_way() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::debug!(?error, "a thread in the background takes its share of the processors");
    }
}
