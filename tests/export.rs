//! `tplus export` beside a real server that has lived through everything that happens to money: rows that add up to the server's own sums to the
//! cent, intervals that fit together, and files that are whole or not there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test may stop at once"
)]

mod served;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
};

use serde_json::Value;
use served::{Server, tplus};
use tempfile::TempDir;
use tonic::transport::Channel;
use tplus::{
    domain::{Calendar, Day, Timestamp},
    export::{Kind, Table},
    grpc::convert,
    journal::{FileOptions, FileStore, Journal, Lsn, NewDirectory, Options, Store as _},
    proto::v1::{
        self, clock_service_client::ClockServiceClient, dispute_service_client::DisputeServiceClient,
        guarantee_service_client::GuaranteeServiceClient, margin_service_client::MarginServiceClient,
        merchant_service_client::MerchantServiceClient, order_service_client::OrderServiceClient,
    },
};

/// Settlement days begin at 08:00, and half of the quota is worth a warning.
const POLICY: &str = "[calendar]\nday_start = \"08:00\"\n[warnings]\nquota_percent = 50\n";
const MERCHANTS: [&str; 3] = ["m1", "m2", "m3"];
/// The last day of the story.
const LAST: &str = "2026-01-14";

struct World {
    root: TempDir,
    _server: Server,
    channel: Channel,
}

macro_rules! call {
    ($world:expr, $client:ident.$method:ident($request:expr)) => {
        $client::new($world.channel.clone()).$method($request).await.unwrap().into_inner()
    };
}

impl World {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("policy.toml"), POLICY).unwrap();
        let policy = root.path().join("policy.toml");
        let args =
            ["--listen", "127.0.0.1:0", "--clock", "manual", "--clock-start", "2026-01-01T09:00:00Z", "--policy"];
        let (server, address) =
            Server::start(root.path(), &[args.as_slice(), &[policy.to_str().unwrap()]].concat(), &[]);
        let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
        Self { root, _server: server, channel }
    }

    async fn at(&self, instant: &str) {
        let to = Some(convert::timestamp(Timestamp::parse(instant).unwrap()));
        call!(self, ClockServiceClient.advance_clock(v1::AdvanceClockRequest { to }));
    }

    async fn order(&self, merchant: &str, id: &str, price: &str, profit: &str, completed: Option<&str>) {
        let completed_at = completed.map(|at| convert::timestamp(Timestamp::parse(at).unwrap()));
        let (merchant_id, order_id) = (merchant.into(), id.into());
        let (price, profit) = (price.into(), profit.into());
        let order =
            v1::ClassifyOrderRequest { merchant_id, order_id, price, profit, completed_at, ..Default::default() };
        call!(self, OrderServiceClient.classify_order(order));
    }

    async fn guarantee(&self, merchant: &str, id: &str, dollars: u64) {
        let (merchant_id, request_id, guarantee) = (merchant.into(), id.into(), Some(dollars));
        let change = v1::ModifyGuaranteeRequest { merchant_id, request_id, guarantee, ..Default::default() };
        call!(self, GuaranteeServiceClient.modify_guarantee(change));
    }

    /// Something of everything, on the days from 2026-01-01 to 2026-01-13; the time is that of 2026-01-14T09:00 then.
    async fn live(&self) {
        let pending = v1::ImportedPending {
            settles_at: Some(convert::timestamp(Timestamp::parse("2026-01-03T08:00:00Z").unwrap())),
            cycle: v1::SettlementCycle::Quick.into(),
            orders: 2,
            profit: "9.99".into(),
        };
        let import = v1::ImportMerchantRequest {
            merchant_id: "m1".into(),
            request_id: "import".into(),
            historical_profit: "1200.10".into(),
            available: "300".into(),
            pending: vec![pending],
            ..Default::default()
        };
        call!(self, MerchantServiceClient.import_merchant(import));
        self.guarantee("m1", "raise", 1_000).await;
        self.order("m1", "o1", "2999.99", "800.01", None).await;
        self.order("m2", "o1", "0.01", "0.01", None).await;
        self.at("2026-01-02T07:59:59Z").await;
        self.order("m1", "o2", "100", "33.33", None).await;
        self.at("2026-01-02T08:00:00Z").await;
        self.order("m1", "late", "50", "5", Some("2026-01-02T07:00:00Z")).await;
        self.order("m3", "o1", "70.07", "", None).await;
        self.reverse("m1", "late", "back-1", "=1+1, \"quoted\"").await;
        self.at("2026-01-05T12:00:00Z").await;
        self.reverse("m1", "o1", "back-2", "broken").await;
        self.money().await;
        self.at("2026-01-14T09:00:00Z").await;
        self.guarantee("m1", "give-up", 0).await;
    }

    async fn reverse(&self, merchant: &str, order: &str, id: &str, reason: &str) {
        let request = v1::ReverseOrderRequest {
            merchant_id: merchant.into(),
            order_id: order.into(),
            amount: "10.01".into(),
            reason: reason.into(),
            request_id: id.into(),
            ..Default::default()
        };
        call!(self, OrderServiceClient.reverse_order(request));
    }

    /// Payments, withdrawals, corrections, deductions and appeals.
    async fn money(&self) {
        let (merchant_id, reference) = ("m2".to_owned(), "wire, 4711".to_owned());
        let id = |id: &str| id.to_owned();
        for (request_id, amount) in [(id("pay-1"), id("500.55")), (id("pay-2"), id("20"))] {
            let (merchant_id, reference) = (merchant_id.clone(), reference.clone());
            let pay = v1::PayMarginRequest { merchant_id, amount, reference, request_id, ..Default::default() };
            call!(self, MarginServiceClient.pay_margin(pay));
        }
        let reason = id("did not hold");
        let returned = v1::ReturnPaymentRequest {
            merchant_id: merchant_id.clone(),
            payment_id: id("pay-2"),
            reason: reason.clone(),
            request_id: id("return"),
            ..Default::default()
        };
        call!(self, MarginServiceClient.return_payment(returned));
        for request_id in [id("out-1"), id("out-2")] {
            let (merchant_id, amount) = (merchant_id.clone(), id("100.10"));
            let out = v1::WithdrawRequest { merchant_id, amount, request_id, ..Default::default() };
            call!(self, MarginServiceClient.withdraw(out));
        }
        let failed = v1::FailWithdrawalRequest {
            merchant_id: merchant_id.clone(),
            withdrawal_id: id("out-2"),
            reason: reason.clone(),
            request_id: id("failed"),
            ..Default::default()
        };
        call!(self, MarginServiceClient.fail_withdrawal(failed));
        self.at("2026-01-07T07:00:00Z").await;
        for direction in [v1::AdjustmentDirection::Credit, v1::AdjustmentDirection::Debit] {
            let adjusted = v1::AdjustBalanceRequest {
                merchant_id: merchant_id.clone(),
                direction: direction.into(),
                amount: id("7.07"),
                reason: reason.clone(),
                request_id: direction.as_str_name().to_lowercase(),
                ..Default::default()
            };
            call!(self, MarginServiceClient.adjust_balance(adjusted));
        }
        let deducted = v1::DeductMarginRequest {
            merchant_id: id("m1"),
            amount: id("1500"),
            reason: v1::DeductionReason::Fraud.into(),
            reference: Some(v1::deduct_margin_request::Reference::OrderId(id("o1"))),
            beneficiary: v1::Beneficiary::Buyer.into(),
            request_id: id("deduct"),
            ..Default::default()
        };
        call!(self, DisputeServiceClient.deduct_margin(deducted));
        let appeal = v1::OpenAppealRequest {
            merchant_id: id("m1"),
            deduction_id: id("deduct"),
            statement: id("it was not so"),
            request_id: id("appeal"),
            ..Default::default()
        };
        call!(self, DisputeServiceClient.open_appeal(appeal));
        let resolved = v1::ResolveAppealRequest {
            merchant_id: id("m1"),
            deduction_id: id("deduct"),
            outcome: v1::AppealOutcome::Overturned.into(),
            amount: id("250.50"),
            reason,
            request_id: id("resolved"),
            ..Default::default()
        };
        call!(self, DisputeServiceClient.resolve_appeal(resolved));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn run(&self, table: &str, to: &str, args: &[&str]) -> Output {
        let fixed = ["export", table, "--data-dir", "data", "--to", to, "--json"];
        tplus(&fixed).args(args).current_dir(self.root.path()).output().unwrap()
    }

    /// Exports to CSV; answers the rows, and what was said of them.
    #[track_caller]
    fn export(&self, table: &str, args: &[&str]) -> (Vec<Row>, Value) {
        let summary = told(&self.run(table, "out.csv", &[args, &["--overwrite"]].concat()));
        let beside: Value = serde_json::from_slice(&fs::read(self.path("out.csv.json")).unwrap()).unwrap();
        assert_eq!(beside, summary);
        let bytes = fs::read(self.path("out.csv")).unwrap();
        assert_eq!(summary["bytes"], bytes.len());
        assert_eq!(summary["blake3"], *blake3::hash(&bytes).to_hex());
        let rows = rows(&self.path("out.csv"));
        assert_eq!(summary["rows"], rows.len());
        (rows, summary)
    }

    async fn day(&self, day: &str) -> v1::GetTrialBalanceResponse {
        let request = v1::GetTrialBalanceRequest { day: day.into(), clock: v1::FactClock::Recorded.into() };
        call!(self, MarginServiceClient.get_trial_balance(request))
    }
}

type Row = HashMap<String, String>;

fn rows(file: &Path) -> Vec<Row> {
    csv::Reader::from_path(file).unwrap().deserialize().map(|row| row.unwrap()).collect()
}

#[track_caller]
fn told(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn cents(amount: &str) -> i128 {
    let (dollars, cents) = amount.split_once('.').unwrap_or_else(|| panic!("{amount}"));
    assert_eq!(cents.len(), 2, "{amount}");
    format!("{dollars}{cents}").parse().unwrap()
}

fn sum<'a>(rows: impl IntoIterator<Item = &'a Row>, column: &str) -> i128 {
    rows.into_iter().map(|row| cents(&row[column])).sum()
}

/// The days of the story.
fn days() -> Vec<String> {
    (1..=13).map(|day| format!("2026-01-{day:02}")).collect()
}

const BALANCES: [&str; 8] =
    ["guarantee", "frozen", "gap", "releasing", "available", "pending", "debt", "historical_profit"];

#[tokio::test]
async fn entries_add_up_to_what_the_server_says_of_each_day() {
    let world = World::new().await;
    world.live().await;
    let (rows, summary) = world.export("entries", &[]);
    let kinds: BTreeSet<&str> = rows.iter().map(|row| &*row["kind"]).collect();
    assert!(kinds.len() >= 15, "{kinds:?}");
    let mut flows_met = BTreeSet::new();
    for day in days().iter().map(String::as_str).chain([LAST]) {
        let day_of = world.day(day).await;
        let of_day: Vec<&Row> = rows.iter().filter(|row| row["recorded_day"] == day).collect();
        let (opening, closing) = (day_of.opening.unwrap(), day_of.closing.unwrap());
        for (column, before, after) in [
            ("frozen_change", &opening.frozen, &closing.frozen),
            ("releasing_change", &opening.releasing, &closing.releasing),
            ("available_change", &opening.available, &closing.available),
            ("debt_change", &opening.debt, &closing.debt),
            ("pending_change", &opening.pending, &closing.pending),
        ] {
            assert_eq!(sum(of_day.iter().copied(), column), cents(after) - cents(before), "{column} on {day}");
        }
        let mut flows: BTreeMap<&str, i128> = BTreeMap::new();
        for row in of_day.iter().filter(|row| !row["flow"].is_empty()) {
            *flows.entry(&row["flow"]).or_default() += cents(&row["flow_amount"]);
        }
        let told = day_of.flows.unwrap();
        for (name, amount) in flows_told(&told) {
            assert_eq!(flows.remove(name).unwrap_or_default(), cents(amount), "{name} on {day}");
            flows_met.extend((cents(amount) != 0).then_some(name));
        }
        assert!(flows.is_empty(), "{flows:?}");
    }
    assert_eq!(flows_met.len(), 11, "{flows_met:?}");
    for name in BALANCES {
        let column = format!("{name}_change");
        assert_eq!(sum(&rows, &column), cents(summary["sums"][&column].as_str().unwrap()), "{column}");
        assert_eq!(sum(&rows, &column), MERCHANTS.iter().map(|of| last(&rows, of, name)).sum::<i128>(), "{name}");
    }
    for of in MERCHANTS {
        let request = v1::GetMarginRequest { merchant_id: of.into(), as_of: None };
        let margin = call!(world, MarginServiceClient.get_margin(request));
        let balances = [
            &margin.guarantee,
            &margin.frozen,
            &margin.gap,
            &margin.releasing_total,
            &margin.available,
            &margin.pending_total,
            &margin.debt,
            &margin.historical_profit,
        ];
        assert_eq!(BALANCES.map(|name| last(&rows, of, name)), balances.map(|amount| cents(amount)), "{of}");
        let of_merchant: Vec<Row> = rows.iter().filter(|row| row["merchant_id"] == of).cloned().collect();
        let numbers: Vec<u64> = of_merchant.iter().map(|row| row["number"].parse().unwrap()).collect();
        assert_eq!(numbers, (1..=margin.entries).collect::<Vec<_>>());
        assert_eq!(world.export("entries", &["--merchant", of]).0, of_merchant);
        compare_with_entries(&world, of, &of_merchant).await;
    }
}

/// Row for row what `ListMarginEntries` says.
async fn compare_with_entries(world: &World, of: &str, rows: &[Row]) {
    let list = v1::ListMarginEntriesRequest { merchant_id: of.into(), page_size: 1_000, ..Default::default() };
    let entries = call!(world, MarginServiceClient.list_margin_entries(list)).entries;
    assert_eq!(entries.len(), rows.len());
    for (row, entry) in rows.iter().zip(entries) {
        let said = [
            entry.kind().as_str_name().trim_start_matches("ENTRY_KIND_"),
            &entry.amount,
            &entry.request_id,
            &entry.subject_id,
            &entry.reference,
            &entry.text,
            &entry.caller,
        ];
        let columns = ["kind", "amount", "request_id", "subject_id", "reference", "text", "caller"];
        assert_eq!(columns.map(|column| &*row[column]), said, "{row:?}");
        let at = |column: &str| convert::timestamp(Timestamp::parse(&row[column]).unwrap());
        assert_eq!((Some(at("recorded_at")), Some(at("effective_at"))), (entry.recorded_at, entry.effective_at));
        let day = Calendar { day_start: std::time::Duration::from_secs(8 * 3_600) };
        let day_of = |column: &str| day.day_of(Timestamp::parse(&row[column]).unwrap());
        assert_eq!(
            [date(day_of("recorded_at")), date(day_of("effective_at"))],
            [row["recorded_day"].clone(), row["effective_day"].clone()]
        );
    }
}

fn date(Day(day): Day) -> String {
    Timestamp::from_micros(i64::from(day) * 86_400_000_000).to_string()[..10].to_owned()
}

fn flows_told(told: &v1::Lifetime) -> [(&'static str, &str); 11] {
    [
        ("settled", &told.settled),
        ("imported", &told.imported),
        ("paid_in", &told.paid_in),
        ("credited", &told.credited),
        ("withdrawals_failed", &told.withdrawals_failed),
        ("overturned", &told.overturned),
        ("withdrawn", &told.withdrawn),
        ("deducted", &told.deducted),
        ("reversed", &told.reversed),
        ("payments_returned", &told.payments_returned),
        ("debited", &told.debited),
    ]
}

/// A balance after the last row of a merchant.
fn last(rows: &[Row], of: &str, column: &str) -> i128 {
    rows.iter().rev().find(|row| row["merchant_id"] == of).map_or(0, |row| cents(&row[column]))
}

#[tokio::test]
async fn orders_and_reversals_add_up() {
    let world = World::new().await;
    world.live().await;
    let (rows, summary) = world.export("orders", &[]);
    let said: Vec<[&str; 6]> = rows
        .iter()
        .map(|row| ["merchant_id", "order_id", "kind", "price", "profit", "completed_day"].map(|column| &*row[column]))
        .collect();
    assert_eq!(
        said,
        [
            ["m1", "o1", "CLASSIFIED", "2999.99", "800.01", "2026-01-01"],
            ["m2", "o1", "CLASSIFIED", "0.01", "0.01", "2026-01-01"],
            ["m1", "o2", "CLASSIFIED", "100.00", "33.33", "2026-01-01"],
            ["m1", "late", "CLASSIFIED", "50.00", "5.00", "2026-01-01"],
            ["m3", "o1", "CLASSIFIED", "70.07", "70.07", "2026-01-02"],
            ["m1", "late", "REVERSED", "-10.01", "-1.00", "2026-01-01"],
            ["m1", "o1", "REVERSED", "-10.01", "-2.66", "2026-01-01"],
        ]
    );
    assert_eq!(rows[5]["reason"], "=1+1, \"quoted\"");
    assert_eq!(rows[0]["recorded_at"], "2026-01-01T09:00:00.000000Z");
    assert_eq!((&*rows[3]["recorded_day"], &*rows[3]["completed_at"]), ("2026-01-02", "2026-01-02T07:00:00.000000Z"));
    assert_eq!(sum(&rows, "price"), cents(summary["sums"]["price"].as_str().unwrap()));
    let told: Vec<&str> = rows.iter().map(|row| &*row["cycle"]).collect();
    assert_eq!(told[0], "QUICK");
    assert!(told.contains(&"STANDARD"));
}

#[tokio::test]
async fn intervals_fit_together() {
    let world = World::new().await;
    world.live().await;
    for table in ["orders", "entries"] {
        let (all, summary) = world.export(table, &[]);
        let mut by_day = Vec::new();
        for pair in days().iter().map(String::as_str).chain([LAST]).collect::<Vec<_>>().windows(2) {
            let (rows, summary) = world.export(table, &["--from", pair[0], "--until", pair[1]]);
            assert_eq!(summary["complete"], true);
            assert!(rows.iter().all(|row| row["recorded_day"] == pair[0]));
            by_day.extend(rows);
        }
        let before_the_last = all.iter().filter(|row| *row["recorded_day"] < *LAST).cloned().collect::<Vec<_>>();
        assert_eq!(by_day, before_the_last);
        let instants = ["--from", "2026-01-02T08:00:00Z", "--until", "2026-01-05T08:00:00Z"];
        let by_instants = world.export(table, &instants).0;
        assert_eq!(by_instants, world.export(table, &["--from", "2026-01-02", "--until", "2026-01-05"]).0);

        let middle = all[all.len() / 2]["lsn"].clone();
        let (mut first, through) = world.export(table, &["--through", &middle]);
        assert_eq!(through["through_lsn"].to_string(), middle);
        let (second, rest) = world.export(table, &["--after", &middle]);
        assert_eq!(rest["through_lsn"], summary["through_lsn"]);
        first.extend(second);
        assert_eq!(first, all);
    }
}

#[tokio::test]
async fn a_file_is_whole_or_not_there() {
    let world = World::new().await;
    world.order("m1", "o1", "10", "1", None).await;
    let said = refused(&world.run("orders", "out.csv", &["--until", "2026-01-02"]), 1);
    assert!(
        said.starts_with(
            "error: the interval ends at 2026-01-02T08:00:00Z, and the journal has come to 2026-01-01T09:00:00Z: rows may \
             be missing until it is 60 s further\nhint: "
        ),
        "{said}"
    );
    assert!(!world.path("out.csv").exists());
    let partial = told(&world.run("orders", "out.csv", &["--until", "2026-01-02", "--partial"]));
    assert_eq!((&partial["complete"], &partial["rows"]), (&Value::Bool(false), &Value::from(1)));
    let before = fs::read(world.path("out.csv")).unwrap();
    assert!(refused(&world.run("orders", "out.csv", &[]), 1).contains("out.csv is there already\nhint: --overwrite"));
    let said = refused(&world.run("orders", "out.csv", &["--overwrite", "--through", "999"]), 1);
    assert!(said.contains("the journal ends at lsn "), "{said}");
    let said = refused(&world.run("orders", "beyond.csv", &["--after", "999"]), 1);
    assert!(said.contains("the journal ends at lsn "), "{said}");
    let end = partial["through_lsn"].to_string();
    assert_eq!(told(&world.run("orders", "none.csv", &["--after", &end]))["rows"], 0);
    assert_eq!(fs::read(world.path("out.csv")).unwrap(), before);
    world.at("2026-01-02T08:01:00Z").await;
    let complete = told(&world.run("orders", "out.csv", &["--until", "2026-01-02", "--overwrite"]));
    assert_eq!(complete["complete"], true);
    // Nothing is left aside.
    let mut names: Vec<_> = fs::read_dir(world.root.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.contains("out"));
    names.sort();
    assert_eq!(names, ["out.csv", "out.csv.json"]);

    assert!(refused(&world.run("orders", "out.txt", &[]), 2).contains("the name has to end in .csv"));
    assert!(refused(&world.run("orders", "nowhere/out.csv", &[]), 1).contains("cannot write nowhere/out.csv"));
    assert!(refused(&world.run("orders", "x.csv", &["--from", "yesterday"]), 2).contains("settlement day"));
    assert!(refused(&world.run("orders", "x.csv", &["--merchant", "m 1"]), 2).contains("--merchant"));
    assert!(refused(&world.run("orders", "x.csv", &["--partial"]), 2).contains("--until"));
    refused(&world.run("sums", "x.csv", &[]), 2);
}

/// A directory that was made, and in which nothing has begun.
#[test]
fn no_interval_of_an_empty_journal_is_complete() {
    let root = tempfile::tempdir().unwrap();
    let create = Some(NewDirectory { id: [1; 16], fingerprint_key: [2; 16], attributes: vec![] });
    let options = FileOptions { segment_size: 1 << 20, create, ..FileOptions::default() };
    let store = Arc::new(FileStore::open(&root.path().join("data"), options).unwrap());
    let tail = store.recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).unwrap();
    Journal::start(store, tail, Options::default()).unwrap().close().unwrap();
    let export = |more: &[&str]| {
        let mut run = tplus(&["export", "orders", "--data-dir", "data", "--json", "--to", "out.csv"]);
        run.args(more).current_dir(root.path()).output().unwrap()
    };
    let said = refused(&export(&["--until", "2026-01-02"]), 1);
    assert!(said.starts_with("error: the journal holds no policy yet"), "{said}");
    assert_eq!(told(&export(&["--until", "2026-01-02", "--partial"]))["complete"], false);
}

/// The tables of docs/export.md are those of the program.
#[test]
fn the_columns_are_documented() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/export.md")).unwrap();
    for table in [Table::Orders, Table::Entries] {
        let section = text.split_once(&format!("### `{}`", table.name())).unwrap().1;
        let section = section.split("\n### ").next().unwrap();
        let documented: Vec<(String, String)> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .map(|line| {
                let (name, rest) = line.split_once("` | ").unwrap();
                (name.to_owned(), rest.split_once(" |").unwrap().0.to_owned())
            })
            .collect();
        let kind = |kind| match kind {
            Kind::Integer => "integer",
            Kind::Text => "text",
            Kind::Amount => "amount",
            Kind::Instant => "instant",
            Kind::Date => "date",
        };
        let columns = table.columns().iter().map(|column| {
            let optional = if column.optional { ", optional" } else { "" };
            (column.name.to_owned(), format!("{}{optional}", kind(column.kind)))
        });
        assert_eq!(documented, columns.collect::<Vec<_>>());
    }
}

/// What is in Parquet is what is in CSV, cell for cell.
#[cfg(feature = "parquet")]
#[tokio::test]
async fn parquet_holds_the_same() {
    use parquet::{
        file::reader::{FileReader as _, SerializedFileReader},
        record::Field,
    };

    let world = World::new().await;
    world.live().await;
    for table in ["orders", "entries"] {
        let (expected, _) = world.export(table, &[]);
        let summary = told(&world.run(table, "out.parquet", &["--overwrite"]));
        let reader = SerializedFileReader::new(fs::File::open(world.path("out.parquet")).unwrap()).unwrap();
        let footer = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
        let said = footer.into_iter().find(|pair| pair.key == "tplus.export").unwrap().value.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["through_lsn"], summary["through_lsn"]);
        let instant = |micros| {
            let text = Timestamp::from_micros(micros).to_string();
            if text.len() == 20 { text.replace('Z', ".000000Z") } else { text }
        };
        let rows = reader.get_row_iter(None).unwrap().map(|row| {
            let row = row.unwrap();
            let cells = row.get_column_iter().map(|(name, field)| {
                let text = match field {
                    Field::Null => String::new(),
                    Field::Str(text) => text.clone(),
                    Field::Long(number) => number.to_string(),
                    Field::Decimal(decimal) => {
                        assert_eq!((decimal.precision(), decimal.scale()), (18, 2));
                        let cents = i64::from_be_bytes(decimal.data().try_into().unwrap());
                        tplus::domain::Money::from_cents(cents.into()).to_string()
                    }
                    Field::TimestampMicros(micros) => instant(*micros),
                    Field::Date(day) => date(Day(*day)),
                    other => panic!("{name} is {other:?}"),
                };
                (name.clone(), text)
            });
            cells.collect::<Row>()
        });
        assert_eq!(rows.collect::<Vec<Row>>(), expected);
    }
}

#[cfg(not(feature = "parquet"))]
#[tokio::test]
async fn parquet_takes_another_build() {
    let world = World::new().await;
    let said = refused(&world.run("orders", "out.parquet", &[]), 2);
    assert!(said.contains("takes a build with `--features parquet`"), "{said}");
    assert!(!world.path("out.parquet").exists());
}
