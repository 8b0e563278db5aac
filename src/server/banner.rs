//! What a server says when it is ready.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::clock::Mode;

/// What a server says when it is ready; shown as some lines of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Where metrics are served, if at all.
    pub metrics_listen: Option<SocketAddr>,
    /// Where the data lies.
    pub data: String,
    /// What moves the engine's time.
    pub clock: Mode,
    /// What was found there.
    pub recovered: Recovered,
}

/// What recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Merchants.
    pub merchants: u64,
    /// Orders whose answer is remembered.
    pub orders: u64,
    /// Records that were replayed.
    pub records: u64,
    /// The last position.
    pub last: u64,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen, metrics_listen, data, clock, recovered } = self;
        let clock = match clock {
            Mode::System => "the machine's clock",
            Mode::Manual => "a manual clock: AdvanceClock alone moves it",
        };
        writeln!(f, "tplus {}: T+2 or T+7", env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "  gRPC       {listen}")?;
        match metrics_listen {
            Some(address) => writeln!(f, "  metrics    http://{address}/metrics")?,
            None => writeln!(f, "  metrics    off")?,
        }
        writeln!(f, "  data       {data}, {clock}")?;
        writeln!(f, "  recovered  {recovered}")?;
        let target = reachable(*listen);
        let order = r#"{"merchant_id":"m1","order_id":"o1","price":"10.00"}"#;
        write!(f, "  try        grpcurl -plaintext -d '{order}' {target} tplus.v1.OrderService/ClassifyOrder")
    }
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { merchants, orders, records, last, took } = self;
        if *last == 0 {
            return f.write_str("nothing, the journal is new");
        }
        write!(f, "{merchants} merchants, {orders} orders, {records} records replayed up to position {last}")?;
        write!(f, " in {:.2} s", took.as_secs_f64())
    }
}

/// An address that a client on this machine can use.
fn reachable(listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() { format!("localhost:{}", listen.port()) } else { listen.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner() -> Banner {
        let recovered =
            Recovered { merchants: 3, orders: 40, records: 5, last: 77, took: Duration::from_millis(1_234) };
        Banner {
            listen: SocketAddr::from(([0, 0, 0, 0], 50_051)),
            metrics_listen: Some(SocketAddr::from(([127, 0, 0, 1], 9_464))),
            data: "/var/lib/tplus".into(),
            clock: Mode::System,
            recovered,
        }
    }

    #[test]
    fn a_banner_says_where_what_and_how() {
        let expected = format!(
            "tplus {}: T+2 or T+7
  gRPC       0.0.0.0:50051
  metrics    http://127.0.0.1:9464/metrics
  data       /var/lib/tplus, the machine's clock
  recovered  3 merchants, 40 orders, 5 records replayed up to position 77 in 1.23 s
  try        grpcurl -plaintext -d '{{\"merchant_id\":\"m1\",\"order_id\":\"o1\",\"price\":\"10.00\"}}' \
             localhost:50051 tplus.v1.OrderService/ClassifyOrder",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(banner().to_string(), expected);
    }

    #[test]
    fn a_new_journal_has_no_figures() {
        let banner = Banner { recovered: Recovered::default(), metrics_listen: None, ..banner() };
        assert!(banner.to_string().contains("  metrics    off\n"));
        assert!(banner.to_string().contains("  recovered  nothing, the journal is new\n"));
    }
}
