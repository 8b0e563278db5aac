//! The screen as it is drawn, and keys.

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers},
};

use super::{
    By,
    figures::{Figures, Quantiles},
    keys::{View, Wish},
    screen,
    source::Update,
    text,
};
use crate::proto::v1::RankedMerchant;

fn figures() -> Figures {
    let quantiles = |half| Quantiles { half: Some(half), most: Some(half * 10.0), nearly_all: Some(half * 100.0) };
    Figures {
        version: "1.2.3".into(),
        serving: true,
        uptime: Some(200_000.0),
        quick: 1_234.0,
        standard: 56_789.0,
        refused: 12.0,
        reasons: vec![("OVERLOADED".into(), 12.0)],
        calls: 58.0,
        call: quantiles(0.000_13),
        sync: quantiles(0.000_2),
        batch: 1_000.0,
        batches: 58.0,
        in_flight: [16_000.0, 5.0],
        most_in_flight: 16_384.0,
        due_lag: 90.0,
        history_lag: 1_000_000.0,
        most_history_lag: 33_554_432.0,
        disk_free: 5e9,
        disk_size: 1e11,
        journal: [134_217_728.0, 1e10],
        memory: 2e9,
        processors: 1.5,
        connections: 4.0,
        merchants: 100_000.0,
        ..Figures::default()
    }
}

fn merchant(id: &str, total: &str) -> RankedMerchant {
    RankedMerchant {
        merchant_id: id.into(),
        day_total: total.into(),
        day_quick: "1.00".into(),
        pending: "2.00".into(),
        guarantee: "3.00".into(),
        gap: "0.00".into(),
        debt: "0.00".into(),
    }
}

fn view() -> View {
    let mut view = View::new(By::Day);
    view.take(Update::Figures(Some(Box::new(figures()))));
    let merchants = (1..=20).map(|number| merchant(&format!("shop-{number}"), &format!("{}.00", 9_000 - number)));
    view.take(Update::Merchants(By::Day, Ok(merchants.collect())));
    view
}

/// The screen as text, without the blanks at the ends of lines.
fn drawn(view: &View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(frame, view)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect()
}

#[test]
fn it_fits_a_small_terminal() {
    let lines = drawn(&view(), 80, 24);
    assert_eq!(lines[0], " tplus 1.2.3  up 2 d  SERVING");
    for (line, shown) in [
        (2, "│T+2    1,234   T+7    56.8k"),
        (3, "calls     58"),
        (4, "│refused   12  OVERLOADED 12"),
        (3, "call    130 µs    1.3 ms    13 ms"),
        (4, "sync    200 µs    2.0 ms    20 ms"),
        (5, "write   -         -         -"),
        (6, "batch   1,000 rec 58/s"),
        (9, "in flight    16.0k of 16.4k (98 %)"),
        (12, "due late     90 s  0 facts/s"),
        (13, "history lag  1.00M of 33.55M"),
        (9, "disk         4.7 GiB free (5 %)"),
        (10, "journal      128 MiB + 9.3 GiB archive"),
        (12, "memory       1.9 GiB  cpu 1.50  conn"),
        (15, "┌ largest by day total "),
        (17, "│shop-1          8999.00       1.00"),
        (21, "│shop-5 "),
        (23, " q quit   s rank by pending"),
    ] {
        assert!(lines[line].contains(shown), "{shown:?} is not in line {line} of\n{}", lines.join("\n"));
    }
    assert!(lines[22].starts_with('└'), "{}", lines.join("\n"));
}

#[test]
fn no_amount_is_cut_off() {
    let mut view = view();
    view.take(Update::Merchants(By::Day, Ok(vec![merchant("shop-1", "123456789012.34")])));
    assert!(drawn(&view, 80, 24)[17].contains("│shop-1          123.46G       1.00"), "{}", drawn(&view, 80, 24)[17]);
}

#[test]
fn it_survives_any_size() {
    for (width, height) in [(1, 1), (20, 5), (80, 10), (200, 60)] {
        assert_eq!(drawn(&view(), width, height).len(), usize::from(height));
    }
    let large = drawn(&view(), 120, 45).join("\n");
    assert!(large.contains("shop-20"), "{large}");
}

#[test]
fn what_is_wrong_is_said_first() {
    let mut view = view();
    let wrong = Figures { serving: false, alarms: vec!["READ-ONLY: DISK FULL", "CLOCK OFF"], ..figures() };
    view.take(Update::Figures(Some(Box::new(wrong))));
    assert_eq!(drawn(&view, 80, 24)[0], " tplus 1.2.3  up 2 d  NOT SERVING  READ-ONLY: DISK FULL  CLOCK OFF");
    view.take(Update::Silent("connection refused".into()));
    assert_eq!(drawn(&view, 80, 24)[0], " tplus 1.2.3  up 2 d  NO ANSWER: connection refused");
    view.take(Update::Merchants(By::Day, Err("the engine is starting".into())));
    assert!(drawn(&view, 80, 24)[15].contains("no merchants: the engine is starting"));
    assert_eq!(drawn(&View::new(By::Gap), 80, 24)[0], " tplus looking for the first time …");
}

fn press(view: &mut View, code: KeyCode) -> Option<Wish> {
    view.react(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

#[test]
fn keys_do_what_the_last_line_says() {
    let mut view = view();
    assert_eq!(press(&mut view, KeyCode::Char('s')), Some(Wish::Rank(By::Pending)));
    assert!(drawn(&view, 80, 24)[15].contains("largest by pending"));
    // An answer to what was asked before is too late.
    view.take(Update::Merchants(By::Day, Ok(vec![merchant("belated", "1.00")])));
    assert!(!drawn(&view, 80, 24).join("\n").contains("belated"));
    view.take(Update::Merchants(By::Pending, Ok(vec![merchant("one", "1.00"), merchant("two", "1.00")])));
    assert_eq!(press(&mut view, KeyCode::Down), None);
    assert!(drawn(&view, 80, 24)[17].starts_with("│two"), "the first has gone out of sight");
    assert_eq!(press(&mut view, KeyCode::Up), None);
    assert!(drawn(&view, 80, 24)[17].starts_with("│one"));
    assert_eq!(press(&mut view, KeyCode::Char('p')), None);
    view.take(Update::Figures(Some(Box::new(Figures { version: "9".into(), ..figures() }))));
    assert_eq!(drawn(&view, 80, 24)[0], " tplus 1.2.3  up 2 d  SERVING  PAUSED");
    assert_eq!(press(&mut view, KeyCode::Char('q')), Some(Wish::End));
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(view.react(&Event::Key(control_c)), Some(Wish::End));
}

#[test]
fn the_course_goes_on_and_does_not_grow_for_ever() {
    let mut view = View::new(By::Day);
    for number in 0..1_000_u32 {
        let figures = Figures { quick: f64::from(number), ..Figures::default() };
        view.take(Update::Figures(Some(Box::new(figures))));
    }
    assert_eq!((view.course.len(), view.course.last()), (240, Some(&999)));
}

#[test]
fn text_says_the_same() {
    let text = text::written(&figures(), &Ok(vec![merchant("shop-1", "8999.00")]), By::Day);
    for line in [
        "T+2 orders/s          1,234\n",
        "refused/s             12, OVERLOADED 12\n",
        "sync                  p50 200 µs, p99 2.0 ms, p99.9 20 ms\n",
        "shop-1                       8999.00          1.00          2.00          3.00          0.00          0.00\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(text::written(&figures(), &Err("no".into()), By::Day).ends_with("merchants are not known: no\n"));
}
