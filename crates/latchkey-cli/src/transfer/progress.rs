//! Shows the progress of a move: a bar for each table on a terminal, otherwise a line for each table.

use std::fmt::Write;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanFloatCount, ProgressBar, ProgressState, ProgressStyle};

use crate::output;
use latchkey_store::transfer::Progress;

/// The time between two updates of a bar.
const TICK: Duration = Duration::from_millis(200);

/// The template of a bar while a table is moved.
const BAR: &str = "{prefix:<12} {wide_bar} {human_pos} of {human_len}, {rate}, {eta} left";
/// The template of a bar after its table was moved.
const DONE: &str = "{prefix:<12} {human_len} rows in {elapsed}, {rate}";

/// The bars, one after the other.
pub struct Bars {
    watched: bool,
    current: Option<Current>,
}

struct Current {
    table: String,
    bar: ProgressBar,
    began: Instant,
}

impl Bars {
    /// Returns bars that write to standard error.
    pub fn new() -> Self {
        Self {
            watched: stderr().is_terminal(),
            current: None,
        }
    }

    /// Shows one step of the progress.
    pub fn show(&mut self, progress: &Progress<'_>) {
        match *progress {
            Progress::Counts => output::note(format_args!("Counting the rows.")),
            Progress::Moves { table, moved, of } => {
                if self.current.as_ref().is_none_or(|current| current.table != table) {
                    self.finish();
                    self.current = Some(self.begin(table, of));
                }
                if let Some(current) = &self.current {
                    current.bar.set_position(moved);
                }
            }
            Progress::Checks => {
                self.finish();
                output::note(format_args!("Checking the rows that arrived."));
            }
        }
    }

    /// Finishes the current bar.
    pub fn finish(&mut self) {
        let Some(Current { table, bar, began }) = self.current.take() else {
            return;
        };
        if self.watched {
            bar.set_style(style(DONE));
            bar.abandon();
        } else {
            let (rows, seconds) = (bar.position(), began.elapsed().as_secs_f64());
            output::note(format_args!(
                "{table}: {rows} rows in {seconds:.1} s, {:.0}/s",
                per_second(rows, seconds)
            ));
        }
    }

    fn begin(&self, table: &str, rows: u64) -> Current {
        let bar = if self.watched {
            ProgressBar::new(rows)
        } else {
            ProgressBar::hidden()
        };
        let bar = bar.with_style(style(BAR)).with_prefix(table.to_owned());
        bar.enable_steady_tick(TICK);
        Current {
            table: table.to_owned(),
            bar,
            began: Instant::now(),
        }
    }
}

/// Parses a template. If it is invalid, the plain bar is shown.
fn style(text: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, shown: &mut dyn Write| {
        let _ = write!(shown, "{}/s", HumanFloatCount(state.per_sec().round()));
    })
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn per_second(rows: u64, seconds: f64) -> f64 {
    rows as f64 / seconds.max(0.001)
}
