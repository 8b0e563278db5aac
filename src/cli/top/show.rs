//! Numbers as people read them, in few characters.

/// `7`, `0.5`, `12`, `1,234`, `12.3k`, `4.56M`.
pub(super) fn count(number: f64) -> String {
    match number {
        number if number >= 1e9 => format!("{:.2}G", number / 1e9),
        number if number >= 1e6 => format!("{:.2}M", number / 1e6),
        number if number >= 1e4 => format!("{:.1}k", number / 1e3),
        number if number >= 999.5 => format!("{},{:03}", (number.round() / 1e3).floor(), number.round() % 1e3),
        number if (0.05..9.95).contains(&number) && number.fract() > 0.0 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

/// `130 µs`, `4.6 ms`, `1.2 s`, `3 min`, `5 h`, `2 d`.
pub(super) fn seconds(time: f64) -> String {
    match time {
        time if time >= 2.0 * 86_400.0 => format!("{:.0} d", time / 86_400.0),
        time if time >= 2.0 * 3_600.0 => format!("{:.0} h", time / 3_600.0),
        time if time >= 120.0 => format!("{:.0} min", time / 60.0),
        time if time >= 10.0 => format!("{time:.0} s"),
        time if time >= 1.0 => format!("{time:.1} s"),
        time if time >= 10e-3 => format!("{:.0} ms", time * 1e3),
        time if time >= 1e-3 => format!("{:.1} ms", time * 1e3),
        time if time > 0.0 => format!("{:.0} µs", time * 1e6),
        _ => "0 s".to_owned(),
    }
}

/// The same, and nothing where nothing was measured.
pub(super) fn measured(time: Option<f64>) -> String {
    time.map_or_else(|| "-".to_owned(), seconds)
}

/// `512 B`, `1.5 KiB`, `200 MiB`.
pub(super) fn bytes(number: f64) -> String {
    let (mut number, mut unit) = (number, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if number < 1_023.5 {
            break;
        }
        (number, unit) = (number / 1_024.0, larger);
    }
    if number < 10.0 && unit != "B" { format!("{number:.1} {unit}") } else { format!("{number:.0} {unit}") }
}

/// A share in percent; nothing, where there is no whole.
pub(super) fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.0} %", part / whole * 100.0) } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let counts = [0.0, 2.0, 0.5, 9.96, 12.0, 999.4, 999.6, 1_234.4, 12_345.0, 4_560_000.0, 7.891e9].map(count);
        assert_eq!(counts, ["0", "2", "0.5", "10", "12", "999", "1,000", "1,234", "12.3k", "4.56M", "7.89G"]);
        let times = [0.0, 0.000_13, 0.0046, 0.123, 1.25, 59.6, 150.0, 8_000.0, 200_000.0].map(seconds);
        assert_eq!(times, ["0 s", "130 µs", "4.6 ms", "123 ms", "1.2 s", "60 s", "2 min", "2 h", "2 d"]);
        let sizes = [0.0, 512.0, 1_536.0, 209_715_200.0, 1e13].map(bytes);
        assert_eq!(sizes, ["0 B", "512 B", "1.5 KiB", "200 MiB", "9.1 TiB"]);
        assert_eq!([share(1.0, 4.0), share(1.0, 0.0)], ["25 %", "-"]);
    }
}
