//! The commands that ask a server, from the outside: the real program against a real server, what it prints and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at once"
)]

mod served;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use self::served::{Server, tplus};

const START: [&str; 4] = ["--clock", "manual", "--clock-start", "2026-01-01T09:00:00Z"];

/// A server, and somebody at a prompt who knows where it is.
struct Prompt {
    root: TempDir,
    server: Option<Server>,
    address: String,
}

impl Prompt {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (server, address) = Server::start(root.path(), &[&["--listen", "127.0.0.1:0"], &START[..]].concat(), &[]);
        Self { root, server: Some(server), address }
    }

    fn run(&self, line: &str) -> Output {
        let args: Vec<&str> = line.split_whitespace().collect();
        tplus(&args).env("TPLUS_SERVER", &self.address).current_dir(self.root.path()).output().unwrap()
    }

    /// What is said for people; the command ends well.
    fn text(&self, line: &str) -> String {
        printed(line, &self.run(line))
    }

    /// The same for programs: an object a line.
    fn values(&self, line: &str) -> Vec<Value> {
        let text = printed(line, &self.run(&format!("{line} --output json")));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn json(&self, line: &str) -> Value {
        let values = self.values(line);
        assert_eq!(values.len(), 1, "{line}: {values:?}");
        values.into_iter().next().unwrap()
    }

    /// What is said of a command that comes to nothing.
    fn refused(&self, line: &str, exit: i32) -> String {
        failed(line, &self.run(line), exit)
    }
}

fn printed(line: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
    assert!(!output.stdout.contains(&0x1b), "no colour but on a terminal");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn failed(line: &str, output: &Output, exit: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{line}: {said}");
    said
}

/// The words of the line that begins with these.
fn row(text: &str, name: &str) -> String {
    let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let row = rows.into_iter().find(|line| line.starts_with(name));
    row.unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

#[test]
fn orders_and_guarantees() {
    let prompt = Prompt::new();
    let text = prompt.text("classify m1 o1=200/150");
    assert!(row(&text, "o1").ends_with("200.00 T+7 2026-01-08 00:00 UTC 0.00 200.00"), "{text}");
    let raised = prompt.json("guarantee set m1 1000 --request-id raise");
    assert_eq!((&raised["gap"], &raised["receipt"]["quota"]), (&"1000.00".into(), &"1000.00".into()));
    let text = prompt.text("guarantee set m1 1000 --request-id raise");
    assert!(text.starts_with("m1  guarantee 0.00 → 1,000.00 (known already"), "{text}");
    assert_eq!(row(&text, "gap"), "gap 1,000.00");
    let answer = prompt.json("classify m1 o2=800 o3=0.01");
    assert_eq!(answer["results"][0]["cycle"], "SETTLEMENT_CYCLE_QUICK");
    assert_eq!(answer["results"][1]["cycle"], "SETTLEMENT_CYCLE_STANDARD");
    let quote = prompt.text("quote m1 4000 1500.50");
    assert!(quote.starts_with("m1  a guarantee of 6,501 makes all of it T+2\n"), "{quote}");
    assert_eq!(prompt.json("quote m1 1")["guarantee"], "1002");

    let order = prompt.json("order m1 o1");
    assert_eq!(
        (&order["order"]["profit"], &order["order"]["state"]),
        (&"150.00".into(), &"ORDER_STATE_PENDING".into())
    );
    let reversed = prompt.text("reverse m1 o1 100 --reason returned --request-id back");
    assert_eq!(row(&reversed, "profit falls by"), "profit falls by 75.00");
    let order = prompt.text("order m1 o1");
    assert!(order.starts_with("o1 of m1  T+7 pending\n"), "{order}");
    assert!(row(&order, "2026-01-01 09:00 UTC").ends_with("75.00 back returned"), "{order}");
    let ids = |line: &str| prompt.values(line).iter().map(|order| order["orderId"].clone()).collect::<Vec<_>>();
    assert_eq!(ids("orders m1"), ["o2", "o1", "o3"]);
    assert_eq!(ids("orders m1 -r -n 2"), ["o3", "o1"]);
    assert_eq!(ids("orders m1 --to 2026-01-03"), ["o2"]);
    assert_eq!(prompt.text("orders m1").lines().count(), 4);
    assert_eq!(prompt.text("orders m1 --from 2027-01-01"), "  none\n");
    assert!(prompt.values("orders m1 --from 2027-01-01").is_empty());

    prompt.text("clock advance 2026-01-08");
    prompt.text("guarantee set m1 100");
    let release = &prompt.values("releases m1")[0];
    assert_eq!((&release["release"]["amount"], &release["state"]), (&"775.01".into(), &"RELEASE_STATE_OPEN".into()));
    assert!(row(&prompt.text("releases m1 --state open"), "1 ").contains("775.01 775.01 open 2026-01-15 00:00 UTC"));
    assert_eq!(prompt.text("releases m1 --state taken"), "  none\n");
    let shown = prompt.text("guarantee show m1 nobody");
    assert!(row(&shown, "m1").ends_with("100.00") && shown.contains("nobody is not known"), "{shown}");
    assert_eq!(prompt.json("guarantee show m1 nobody")["unknownMerchantIds"][0], "nobody");
}

#[test]
fn money_and_books() {
    let prompt = Prompt::new();
    let paid = prompt.text("pay m1 1234.5 --reference wire-1 --request-id pay-1");
    assert!(paid.starts_with("m1  1,234.50 paid in\n"), "{paid}");
    assert_eq!(row(&paid, "made available"), "made available 1,234.50");
    assert_eq!(prompt.json("withdraw m1 234.5 --request-id out-1")["available"], "1000.00");
    assert!(prompt.text("fail-withdrawal m1 out-1 --reason closed").contains("withdrawal out-1 of 234.50 came back"));
    assert_eq!(prompt.json("credit m1 10 --reason goodwill")["income"]["toAvailable"], "10.00");
    assert_eq!(row(&prompt.text("debit m1 20 --reason mistake"), "from available"), "from available 20.00");
    let returned = prompt.text("return-payment m1 pay-1");
    assert_eq!(row(&returned, "now owed"), "now owed 10.00");
    let margin = prompt.text("margin m1");
    assert!(margin.starts_with("m1  open, as of 2026-01-01 09:00 UTC\n"), "{margin}");
    assert_eq!(row(&margin, "debt"), "debt 10.00 since 2026-01-01 09:00 UTC");
    let margin = prompt.json("margin m1");
    assert_eq!((&margin["debt"], &margin["lifetime"]["withdrawalsFailed"]), (&"10.00".into(), &"234.50".into()));
    prompt.text("classify m1 o1=15");
    let forecast = prompt.text("forecast m1");
    assert!(row(&forecast, "2026-01-08").ends_with("profit settled 15.00 10.00 0.00 5.00"), "{forecast}");
    assert_eq!(prompt.json("forecast m1")["items"][0]["income"]["toDebt"], "10.00");

    assert_eq!(prompt.json("clock advance +7d")["now"], "2026-01-08T09:00:00Z");
    let before = prompt.json("margin m1 --as-of 2026-01-05");
    assert_eq!((&before["asOf"], &before["pendingTotal"]), (&"2026-01-05T00:00:00Z".into(), &"15.00".into()));
    assert_eq!(prompt.json("margin m1 --as-of 2026-01-05 --effective")["debt"], "10.00");
    let entries = prompt.values("entries m1");
    let kinds: Vec<_> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "ENTRY_KIND_MARGIN_PAID");
    assert_eq!((entries.len(), entries[7]["number"].as_str()), (8, Some("8")));
    assert_eq!(prompt.values("entries m1 --kind credited --kind debited").len(), 2);
    assert_eq!(prompt.text("entries m1 --from 2026-01-08").lines().count(), 2);
    let entry = prompt.text("entry m1 8");
    assert!(entry.starts_with("entry 8 of m1  profit settled 15.00\n"), "{entry}");
    assert_eq!(row(&entry, "available"), "available 5.00");
    assert_eq!(prompt.json("entry m1 1")["entry"]["reference"], "wire-1");
    let statement = prompt.text("statement m1 2026-01-08");
    assert_eq!(row(&statement, "settled"), "settled 15.00 1 order");
    assert!(row(&statement, "T+7").contains("2026-01-01 1 15.00 10.00"), "{statement}");
    assert_eq!(prompt.json("statement m1 2026-01-08")["orders"][0]["orderId"], "o1");
    let balance = prompt.text("trial-balance");
    assert!(row(&balance, "+ settled").ends_with("15.00 15.00"), "{balance}");
    assert!(row(&balance, "difference").starts_with("difference 0.00"), "{balance}");
    let recorded = prompt.json("trial-balance 2026-01-01 --clock recorded");
    assert_eq!((&recorded["flows"]["paidIn"], &recorded["difference"]), (&"1234.50".into(), &"0.00".into()));
}

#[test]
fn merchants_and_disputes() {
    let prompt = Prompt::new();
    prompt.text("pay m1 500");
    prompt.text("guarantee set m1 300");
    let deduct = "deduct m1 350 --reason late-delivery --order o9 --to platform --note slow --request-id d1";
    let dry = prompt.text(&format!("{deduct} --dry-run"));
    assert!(dry.starts_with("m1  350.00 deducted for the platform (dry run: nothing was changed)\n"), "{dry}");
    let deducted = prompt.json(deduct);
    assert_eq!((&deducted["split"]["fromFrozen"], &deducted["refilled"]), (&"300.00".into(), &"150.00".into()));
    let listed = prompt.text("deductions m1");
    let of = row(&listed, "d1");
    assert!(of.contains("late delivery platform order o9 2026-01-01 09:00 UTC") && of.ends_with(" -"), "{listed}");
    assert!(prompt.text("appeal open m1 d1 --statement late --request-id a1").contains("appeal against d1 is open"));
    let resolved = prompt.text("appeal resolve m1 d1 overturned --amount 100 --reason half --request-id a2");
    assert_eq!(row(&resolved, "into the gap"), "into the gap 100.00");
    let appeal = &prompt.values("appeals m1 --state overturned")[0];
    assert_eq!((&appeal["statement"], &appeal["reason"]), (&"late".into(), &"half".into()));
    assert!(row(&prompt.text("appeals m1"), "d1").contains("overturned 350.00 100.00"));

    assert!(prompt.text("hold place m1 --reason bank --request-id h1").contains("hold   h1"));
    assert!(prompt.refused("withdraw m1 1", 1).contains("error: FAILED_PRECONDITION: the merchant is held"));
    assert!(prompt.text("margin m1").contains("held since 2026-01-01 09:00 UTC (h1)"));
    assert_eq!(prompt.values("holds m1 --standing")[0]["holdId"], "h1");
    assert!(prompt.text("hold lift m1 h1 --reason checked").contains("hold h1 is lifted"));
    assert!(row(&prompt.text("holds m1"), "h1").ends_with("bank checked"));
    assert_eq!(prompt.text("holds m1 --standing"), "  none\n");

    assert!(prompt.text("merchant categories m1 toys books").starts_with("m1  trades in toys, books"));
    assert_eq!(prompt.json("merchant show m1")["merchant"]["categories"][0], "books");
    assert!(prompt.text("merchant show m1").starts_with("m1  open\n"));
    assert_eq!(row(&prompt.text("merchant close m1 --reason tired"), "guarantee before"), "guarantee before 300.00");
    assert_eq!(prompt.values("merchants --state closing")[0]["merchantId"], "m1");
    assert!(prompt.text("merchant reopen m1").starts_with("m1  is open again"));
    assert!(row(&prompt.text("merchants"), "m1").contains("open"));
    let exposure = prompt.text("exposure --window 10d --worst 3");
    assert!(exposure.contains("orders completed from 2025-12-22 on"), "{exposure}");
    assert_eq!(prompt.json("exposure m1")["total"]["uncovered"], "0.00");
}

#[test]
fn rules_time_and_what_happens() {
    let prompt = Prompt::new();
    assert_eq!(prompt.text("clock show"), "2026-01-01 09:00 UTC  a manual clock\n");
    assert_eq!(prompt.json("clock show")["mode"], "CLOCK_MODE_MANUAL");
    let shown = prompt.text("policy show");
    assert!(shown.starts_with("# Version 1 of 1, in force from "), "{shown}");
    prompt.text("guarantee set m1 100");
    prompt.text("classify m1 o1=150");
    let path = prompt.root.path().join("policy.toml");
    fs::write(&path, shown.replace("base_multiple = 1", "base_multiple = 2")).unwrap();
    let tried = prompt.text("policy try policy.toml");
    assert!(row(&tried, "T+2 instead of T+7").ends_with("1 order with a profit of 150.00"), "{tried}");
    assert_eq!(prompt.json("policy try policy.toml m1")["becameQuick"], "1");
    let set = prompt.text("policy set policy.toml --effective-at 2026-01-02 --expected-version 1 --request-id p2");
    assert_eq!(set, "policy 2  comes into force at 2026-01-02 00:00 UTC\n");
    assert!(prompt.text("policy show 2").contains("base_multiple = 2\n"));
    assert_eq!(prompt.json("policy show 2")["policy"]["policy"]["baseMultiple"], 2);
    assert_eq!(prompt.values("policy list").len(), 2);
    assert!(row(&prompt.text("policy list"), "2 ").contains("2026-01-02 00:00 UTC 2026-01-01 09:00 UTC p2"));
    fs::write(&path, "[quota]\nbase_multiple = 0\n").unwrap();
    let said = prompt.refused("policy set policy.toml", 1);
    assert!(said.contains("policy file policy.toml: quota.base_multiple: 0 is outside 1 to 1000 (line 2)"), "{said}");

    let told = prompt.text("watch --after 0 -n 4");
    assert!(told.contains("guarantee modified") && told.contains("policy 2 announced"), "{told}");
    let told = prompt.values("watch m1 --after 0 --kind order-classified -n 1");
    assert_eq!(told[0]["entry"]["subjectId"].as_str().or(told[0]["entry"]["merchantId"].as_str()), Some("o1"));
}

/// What was seen is not told again, and what happens while the server is away is not missed.
#[test]
fn a_watch_goes_on_when_the_server_was_away() {
    let mut prompt = Prompt::new();
    let listen = prompt.address.trim_start_matches("http://").to_owned();
    let mut watching = tplus(&["watch", "m1", "-o", "json", "--after", "0", "-n", "2"])
        .env("TPLUS_SERVER", &prompt.address)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(watching.stdout.take().unwrap()).lines();
    prompt.text("pay m1 1");
    let first: Value = serde_json::from_str(&told.next().unwrap().unwrap()).unwrap();
    prompt.server.take().unwrap().kill();
    let (server, _) = Server::start(prompt.root.path(), &[&["--listen", &listen], &START[..]].concat(), &[]);
    prompt.server = Some(server);
    prompt.text("pay m1 2");
    let second: Value = serde_json::from_str(&told.next().unwrap().unwrap()).unwrap();
    assert_eq!((&first["entry"]["amount"], &second["entry"]["amount"]), (&"1.00".into(), &"2.00".into()));
    assert!(watching.wait().unwrap().success());
}

#[test]
fn an_id_that_was_drawn_is_told_and_can_be_given_again() {
    let prompt = Prompt::new();
    let output = prompt.run("pay m1 5 -o json");
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    let id = said.trim().strip_prefix("request id ").unwrap_or_else(|| panic!("{said}"));
    assert!(printed("pay", &output).contains("\"toAvailable\":\"5.00\""));
    assert_eq!(prompt.json(&format!("pay m1 5 --request-id {id}"))["replayed"], true);
    assert_eq!(prompt.json("margin m1")["available"], "5.00");
    assert!(prompt.refused(&format!("pay m1 6 --request-id {id}"), 1).contains("(ID_REUSED)"));
    let dry = prompt.run("pay m1 7 --dry-run");
    assert!(dry.stderr.is_empty(), "an id that is not used up is of no use");
    assert_eq!(prompt.json("margin m1")["available"], "5.00");
}

#[test]
fn long_lists_come_page_after_page() {
    let prompt = Prompt::new();
    for block in 0..2 {
        let orders: Vec<String> = (0..1_100).map(|order| format!("o{block}-{order:04}=1")).collect();
        prompt.text(&format!("classify m1 {}", orders.join(" ")));
    }
    let count = |line: &str| prompt.values(line).len();
    assert_eq!(count("orders m1"), 2_200);
    assert_eq!(count("orders m1 -n 1000"), 1_000);
    assert_eq!(count("orders m1 -n 1001"), 1_001);
    assert_eq!(count("entries m1 -n 7"), 7);
    let text = prompt.text("orders m1");
    assert_eq!(text.lines().filter(|line| line.contains("order  ")).count(), 1, "the columns are named once");
    let statement = prompt.values("statement m1 2026-01-08");
    let orders: usize = statement.iter().map(|page| page["orders"].as_array().unwrap().len()).sum();
    assert_eq!(orders, 2_200);
}

#[test]
fn refusals_are_one_sentence_and_an_exit_code() {
    let prompt = Prompt::new();
    let said = prompt.refused("margin nobody", 1);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("error: NOT_FOUND: ") && said.trim_end().ends_with("(MERCHANT_NOT_FOUND)"), "{said}");
    let said = prompt.refused("classify m1 o1=10 o2=10.001", 1);
    assert!(said.starts_with("error: 1 of 2 orders refused; o2: price is not an amount"), "{said}");
    assert_eq!(prompt.json("order m1 o1")["order"]["price"], "10.00", "the other one stands");
    assert!(prompt.refused("pay m1 1 --not-after 2025-01-01", 1).contains("FAILED_PRECONDITION"));
    assert!(prompt.refused("clock advance 2020-01-01", 1).contains("FAILED_PRECONDITION"));
    for line in [
        "margin",
        "guarantee set m1 1.50",
        "guarantee set m1 1000000000000",
        "classify m1 o1",
        "deduct m1 1 --reason greed --order o1 --to buyer",
        "deduct m1 1 --reason fraud --to buyer",
        "deduct m1 1 --reason fraud --to buyer --order o1 --dispute d",
        "margin m1 --as-of yesterday",
        "entries m1 --kind unspecified",
        "orders m1 -n 0",
        "margin m1 --output xml",
        "margin m1 --ca there.pem",
        "nonsense",
    ] {
        assert!(prompt.refused(line, 2).starts_with("error: "), "{line}");
    }
    let nobody = tplus(&["margin", "m1", "--server", "127.0.0.1:9"]).output().unwrap();
    let said = failed("nobody", &nobody, 1);
    assert!(said.starts_with("error: asking http://127.0.0.1:9: UNAVAILABLE: ") && said.contains("refused"), "{said}");
    assert!(said.contains("\nhint: is this the address of a server that runs?"), "{said}");
}

/// A shell that is set up for asking can also serve.
#[test]
fn variables_for_asking_are_no_settings_of_a_server() {
    let root = tempfile::tempdir().unwrap();
    let environment = [("TPLUS_SERVER", "https://elsewhere"), ("TPLUS_CA", "a"), ("TPLUS_TOKEN_FILE", "b")];
    let started = Server::try_start(root.path(), &["--listen", "127.0.0.1:0"], &environment);
    assert!(started.is_ok(), "{:?}", started.err());
}

#[test]
fn the_demo_comes_out_as_told_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let run = |colour: (&str, &str)| {
        let mut demo = tplus(&["demo"]);
        // No setting of whoever looks on has a say.
        demo.env("TPLUS_SERVER", "no address").env("TPLUS_CLOCK_MODE", "system").env("TPLUS_NONSENSE", "1");
        let output = demo.env("TMPDIR", home.path()).env(colour.0, colour.1).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left");
        String::from_utf8(output.stdout).unwrap()
    };
    let told = run(("NO_COLOR", "1"));
    assert!(!told.contains('\u{1b}') && !told.contains('✗'), "{told}");
    assert!(told.matches("  ✓ ").count() >= 40, "{told}");
    for part in [
        "A merchant without a guarantee",
        "Raising it",
        "T+2",
        "a multiple that grows",
        "A restart in the middle",
        "Lowering, and the 7 days",
        "A deduction, and its appeal",
        "$ kill -9 ",
        "$ tplus deduct shop 450 ",
        "✓ not a cent and not a second differ",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
    assert!(run(("CLICOLOR_FORCE", "1")).contains("\u{1b}[32m"));
}

#[test]
fn the_program_tells_about_itself() {
    let run = |args: &[&str]| printed(&args.join(" "), &tplus(args).output().unwrap());
    let version = run(&["version"]);
    assert_eq!(version, run(&["--version"]));
    assert_eq!(run(&["-V"]), format!("tplus {}\n", env!("CARGO_PKG_VERSION")));
    for name in ["commit ", "target ", "profile ", "rustc "] {
        assert!(row(&version, name).split_whitespace().count() >= 2, "{version}");
    }
    for (shell, part) in [
        ("bash", "_tplus()"),
        ("zsh", "#compdef tplus"),
        ("fish", "complete -c tplus"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = run(&["completions", shell]);
        assert!(script.contains(part) && script.contains("return-payment"), "{shell}");
    }
    assert!(run(&["man"]).contains(".TH tplus 1"));
    let root = tempfile::tempdir().unwrap();
    let file = |name: &str| root.path().join(name);
    run(&["completions", "bash", "--dir", file("completions").to_str().unwrap()]);
    run(&["man", "--dir", file("man").to_str().unwrap()]);
    let whole = |path: &Path| fs::metadata(path).unwrap().len() > 1_000;
    assert!(whole(&file("completions/tplus.bash")) && whole(&file("man/tplus.1")));
    assert!(whole(&file("man/tplus-guarantee-set.1")) && whole(&file("man/tplus-margin.1")));
    fs::write(file("taken"), "").unwrap();
    let taken = file("taken");
    failed("man", &tplus(&["man", "--dir", taken.to_str().unwrap()]).output().unwrap(), 1);
}
