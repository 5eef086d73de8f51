//! Which data directory a command is about.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::options::ServeOptions;
use super::paths::DataDir;

/// Flags of every command that looks at a data directory.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The data directory; the user's own if not given.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The YAML file of flags that the server is started with.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The flags that the server would be started with.
    pub(crate) fn options(&self) -> Result<ServeOptions, Failure> {
        let line = ServeOptions { data_dir: self.data_dir.clone(), ..ServeOptions::default() };
        line.with_file(self.config.as_deref())
    }

    /// The data directory, which need not exist.
    pub(crate) fn dir(&self) -> Result<DataDir, Failure> {
        DataDir::resolve(self.options()?.data_dir.as_deref())
    }
}
