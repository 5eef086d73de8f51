//! `portcullis down`: stops the server of a data directory and waits until it has drained.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use super::Failure;
use super::place::Place;
use super::print;
use super::process::Process;
use super::state::State;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// How long to wait for requests in flight, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let dir = arguments.place.dir()?;
    let Some(state) = State::running(&dir) else {
        print::text(&format!("nothing runs on {}\n", dir.path().display()))?;
        return Ok(ExitCode::SUCCESS);
    };
    let (begun, process) = (Instant::now(), Process::new(state.pid));
    process.terminate()?;
    if !process.wait(Duration::from_secs(arguments.timeout)) {
        let what = format!("process {} still drains after {} s", state.pid, arguments.timeout);
        return Err(Failure::new(what).fix("wait longer with --timeout, or end it with kill -9"));
    }
    let millis = begun.elapsed().as_millis();
    print::text(&format!("✓ stopped {} (pid {}, {millis} ms)\n", state.server, state.pid))?;
    Ok(ExitCode::SUCCESS)
}
