//! `portcullis apiserver`: the API server alone, until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::options::ServeOptions;
use super::paths::DataDir;
use super::serve::Started;
use super::steps::{Steps, Voice};
use super::{Failure, serve};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// A YAML file of flags; the command line wins over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    serve: ServeOptions,
}

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let options = arguments.serve.with_file(arguments.config.as_deref())?;
    super::logging::start(options.log_level.as_deref().unwrap_or("info"), options.log_json.unwrap_or(true));
    let dir = DataDir::resolve(options.data_dir.as_deref())?;
    let mut steps = Steps::new(Voice::choose(options.output));
    let start = async {
        let running = serve::start(&options, &dir, &mut steps).await?;
        Ok(Started { running, parts: None })
    };
    let outcome = serve::runtime()?.block_on(serve::session(&dir, start));
    outcome.map_err(|failure| steps.failed(failure))
}
