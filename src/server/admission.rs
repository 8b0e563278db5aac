//! Which calls are let in: none that come too late, and of each connection its share where there is little room.
//!
//! A call whose deadline has passed while it waited for its turn is answered without being looked at: nobody waits for what it would decide, and
//! a server that has too much to do would do it for nothing.
//!
//! Who brings more than can be decided would take all the room there is, and whoever comes next to him would be refused with him, however little
//! he asks for. So a connection may have no more calls in the works than there is room left for all others, as a switch shares its memory among
//! its ports (Choudhury and Hahne, *Dynamic queue length thresholds*, 1998): one that storms leaves half of the room, two leave a third, and as
//! long as there is room enough nobody notices.

use std::{
    future::ready,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::HeaderMap;
use tonic::body::Body;
use tower::{Layer, Service};

use super::connections::Link;
use crate::grpc::{EngineSlot, convert};

/// How many calls are in the works, of a connection or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(Arc<AtomicUsize>);

impl Calls {
    /// One more, until it is dropped.
    fn begin(&self) -> Begun {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        Begun { calls: self.clone(), number: before + 1 }
    }
}

struct Begun {
    calls: Calls,
    /// How many they are with it.
    number: usize,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.calls.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Refuses calls that come too late, and those of connections that have too many in the works.
#[derive(Clone, Debug)]
pub(super) struct Admission<S = ()> {
    inner: S,
    slot: Arc<EngineSlot>,
    all: Calls,
}

impl Admission {
    pub(super) fn new(slot: Arc<EngineSlot>) -> Self {
        Self { inner: (), slot, all: Calls::default() }
    }
}

impl<S> Layer<S> for Admission {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        Admission { inner, slot: Arc::clone(&self.slot), all: self.all.clone() }
    }
}

impl<S, B> Service<http::Request<B>> for Admission<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let begun = request.extensions().get().map(|link: &Link| (link.calls.begin(), self.all.begin()));
        let Some((mine, all)) = begun else { return Box::pin(self.inner.call(request)) };
        // Without an engine every call is refused anyway.
        if let Ok(Err(error)) = self.slot.engine().map(|engine| engine.admits(mine.number, all.number)) {
            return Box::pin(ready(Ok(convert::failed(error).into_http())));
        }
        let deadline = time_allowed(request.headers()).and_then(|allowed| Instant::now().checked_add(allowed));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let _in_the_works = (mine, all);
            // From here on the deadline interrupts whatever has to be waited for.
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(convert::too_late().into_http());
            }
            answer.await
        })
    }
}

/// How long a call may take, as [gRPC says it](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): at most eight digits, and a unit.
fn time_allowed(headers: &HeaderMap) -> Option<Duration> {
    let (digits, unit) = headers.get("grpc-timeout")?.as_bytes().split_last_chunk::<1>()?;
    // A sign would be parsed as well.
    let number = str::from_utf8(digits).ok().filter(|_| digits.len() <= 8 && digits.iter().all(u8::is_ascii_digit))?;
    let count: u64 = number.parse().ok()?;
    Some(match unit {
        b"H" => Duration::from_secs(count * 3_600),
        b"M" => Duration::from_secs(count * 60),
        b"S" => Duration::from_secs(count),
        b"m" => Duration::from_millis(count),
        b"u" => Duration::from_micros(count),
        b"n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_read_as_grpc_writes_it() {
        let read = |text: &'static str| {
            let headers = [("grpc-timeout".parse().ok()?, text.parse().ok()?)];
            time_allowed(&HeaderMap::from_iter(headers))
        };
        let seconds = Duration::from_secs;
        assert_eq!(read("2H"), Some(seconds(7_200)));
        assert_eq!(read("99999999M"), Some(seconds(5_999_999_940)));
        assert_eq!(read("30S"), Some(seconds(30)));
        assert_eq!([read("1500m"), read("1500000u")], [Some(Duration::from_millis(1_500)); 2]);
        assert_eq!(read("1n"), Some(Duration::from_nanos(1)));
        for none in ["", "S", "1", "1s", "123456789S", "-1S", "+1S", "1.5S", " 1S"] {
            assert_eq!(read(none), None, "{none:?}");
        }
        assert_eq!(time_allowed(&HeaderMap::new()), None);
    }
}
