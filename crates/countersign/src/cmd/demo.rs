//! `demo`: the whole story in one run. A service starts, a certificate is made and registered, a signed assertion gets a token,
//! the token is verified; then wrong assertions are refused, and each refusal is explained with proof.
//!
//! Nothing is acted: every step is checked, and the first one that does not hold ends the demo with status 1.

mod story;
mod wrong;

use countersign_doctor::proof::Certainty;
use countersign_doctor::report::{Finding, Verdict};

use crate::exit::{Exit, Failure};
use crate::output::{self, Color};

use story::Story;
use wrong::WRONG;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave the service running until it is interrupted
    #[arg(long)]
    keep: bool,
}

/// Tells the story.
pub fn run(args: &Args, color: Color) -> Result<(), Failure> {
    let page = Page { color: color.on_stdout(), width: output::width().min(80) };
    crate::runtime()?.block_on(tell(args, &page))
}

async fn tell(args: &Args, page: &Page) -> Result<(), Failure> {
    page.print(&format!("{}\n\n", page.bold("A certificate gets a token, and a wrong one is told exactly why")))?;
    let story = Story::begin().await?;
    page.step("service", &format!("{} ready in {:.0} ms", story.url(), story.took.as_secs_f64() * 1e3))?;
    page.step("certificate", &story.certificate_line())?;
    let application = story.register().await?;
    page.step("registered", &format!("application {application}, through Microsoft Graph"))?;
    let token = story.token().await?;
    page.step("token", &token)?;

    page.print(&format!("\n{}\n", page.bold("The same request with one thing wrong")))?;
    for case in WRONG {
        let refusal = story.refused(case).await?;
        let report = story.diagnose(&refusal);
        let decisive = report.findings.first();
        let proven = decisive.filter(|f| f.code == case.cause && f.certainty == Certainty::Proven);
        let (Some(finding), Verdict::Refused, true) = (proven, report.verdict, refusal.code == case.code) else {
            let said = decisive.map_or("nothing", |f| f.code.as_str());
            return Err(Failure::new(
                Exit::Refused,
                format!(
                    "'{}' was to be AADSTS{} and proven {}; it is AADSTS{}, and the doctor says {said}",
                    case.name, case.code, case.cause, refusal.code
                ),
            ));
        };
        page.case(case.name, &refusal.description, finding)?;
    }
    let url = story.url().to_owned();
    page.print(&format!(
        "\n{} a token was issued and verified; {} wrong assertions were refused in\nEntra's words, and the cause of each was proven.\n",
        page.good("verified:"),
        WRONG.len()
    ))?;
    if args.keep {
        page.print(&format!("\nthe service keeps running at {url}; end it with Ctrl-C\n{}", story.facts()))?;
        story.keep().await;
    } else {
        page.print("\nnext: countersign serve --help, countersign doctor --help\n")?;
        story.end().await;
    }
    Ok(())
}

/// How the story looks on a terminal.
struct Page {
    color: bool,
    width: usize,
}

impl Page {
    fn print(&self, text: &str) -> Result<(), Failure> {
        output::data(text)
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn good(&self, text: &str) -> String {
        self.paint("32", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn step(&self, name: &str, what: &str) -> Result<(), Failure> {
        self.print(&format!("  {} {}\n", self.good(&format!("{name:<12}")), self.wrapped(what, 15)))
    }

    fn case(&self, name: &str, description: &str, finding: &Finding) -> Result<(), Failure> {
        let mut text = format!("\n{}\n", self.bold(name));
        let headline = description.split(" [Reason").next().unwrap_or(description);
        let headline = headline.split(" Trace ID").next().unwrap_or(headline);
        let headline = headline.split(" Review the doc").next().unwrap_or(headline);
        let mut line = |label: &str, code: &str, what: &str| {
            text.push_str(&format!("  {} {}\n", self.paint(code, &format!("{label:<10}")), self.wrapped(what, 13)));
        };
        line("refused", "31", headline);
        line("proven", "32", &finding.code);
        line("because", "0", &finding.title);
        if let Some(place) = finding.evidence.first() {
            line("received", "0", &format!("{} = {}", place.pointer, place.found));
            if !place.expected.is_empty() {
                line("expected", "0", &place.expected);
            }
        }
        line("fix", "36", &finding.fix);
        self.print(&text)
    }

    /// Wraps at the page's width; a word that is longer than a line is broken.
    fn wrapped(&self, text: &str, indent: usize) -> String {
        let room = self.width.saturating_sub(indent).max(20);
        let mut lines = vec![String::new()];
        let mut column = 0;
        for word in text.split_whitespace() {
            let mut word: Vec<char> = word.chars().collect();
            while !word.is_empty() {
                let gap = usize::from(column > 0);
                if column + gap + word.len().min(room) > room {
                    lines.push(String::new());
                    column = 0;
                    continue;
                }
                let rest = word.split_off(word.len().min(room));
                if let Some(line) = lines.last_mut() {
                    if gap == 1 {
                        line.push(' ');
                    }
                    line.extend(&word);
                }
                column += gap + word.len();
                word = rest;
            }
        }
        lines.join(&format!("\n{:indent$}", ""))
    }
}
