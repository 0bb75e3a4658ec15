use std::{borrow::Cow, time::Duration};

use indicatif::ProgressBar;

const TICK: Duration = Duration::from_millis(100);

/// Says that something is being waited for. It is drawn on standard error, and only where that is a terminal; whoever makes
/// it also clears it, or what is printed next would stand behind it.
pub(crate) fn spinner(message: impl Into<Cow<'static, str>>) -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(TICK);
    spinner.set_message(message);
    spinner
}
