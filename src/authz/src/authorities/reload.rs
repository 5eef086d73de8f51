//! The `AuthorizationConfiguration` read again when its file changes.
//!
//! As upstream: webhooks may come, go and change; what is built in must stay, in whatever order, and nothing built in may be
//! added. A file that cannot be used leaves the chain as it is, and is told once.

use std::fs;
use std::path::PathBuf;

use parking_lot::Mutex;
use portcullis_api::Value;
use serde_json::json;
use tracing::{error, info};

use super::modes::Mode;
use super::plan::{Place, Plan, PlanError};
use super::{Authorities, BuiltIns};
use crate::metrics;

/// The file, and what it said when it was last read.
pub(crate) struct Configured {
    file: PathBuf,
    state: Mutex<State>,
}

struct State {
    text: Vec<u8>,
    places: Vec<Place>,
    error: Option<String>,
    loads: u64,
}

impl Configured {
    /// What a plan was read from, if it was a file.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let file = plan.file.clone()?;
        // Read once more: if it changed since, it is found changed.
        let text = fs::read(&file).unwrap_or_default();
        let state = State { text, places: plan.places.clone(), error: None, loads: 1 };
        Some(Self { file, state: Mutex::new(state) })
    }

    /// How the file fares.
    pub(super) fn status(&self) -> Value {
        let state = self.state.lock();
        json!({"file": self.file.display().to_string(), "loads": state.loads, "error": state.error})
    }

    /// Takes up a changed file; whether the chain is another now.
    pub(super) fn refresh(&self, authorities: &Authorities) -> bool {
        let mut state = self.state.lock();
        let text = match fs::read(&self.file) {
            Ok(text) if text == state.text => return false,
            Ok(text) => text,
            Err(cause) => {
                // Said once, until it can be read again.
                let why = cause.to_string();
                if state.error.as_ref() != Some(&why) {
                    self.complain(&mut state, why);
                }
                return false;
            }
        };
        let taken = self.take(&text, &state.places, authorities);
        state.text = text;
        match taken {
            Ok(places) => {
                let changed = places != state.places;
                state.places = places;
                state.error = None;
                state.loads = state.loads.saturating_add(1);
                metrics::configuration_reloaded(true);
                info!(file = %self.file.display(), "The authorization configuration was read again");
                changed
            }
            Err(why) => {
                self.complain(&mut state, why.to_string());
                false
            }
        }
    }

    fn complain(&self, state: &mut State, why: String) {
        error!(
            file = %self.file.display(), reason = why,
            "The authorization configuration cannot be used; the chain stays as it was"
        );
        metrics::configuration_reloaded(false);
        state.error = Some(why);
    }

    fn take(
        &self,
        text: &[u8],
        before: &[Place],
        authorities: &Authorities,
    ) -> Result<Vec<Place>, PlanError> {
        let wrong = |why: String| PlanError::Wrong(why);
        let text = std::str::from_utf8(text).map_err(|error| wrong(error.to_string()))?;
        let plan = Plan::configuration(self.file.clone(), text)?;
        let BuiltIns { modes, .. } = &authorities.built_ins;
        let mut missing: Vec<&str> =
            modes.iter().filter(|mode| !plan.has(**mode)).map(|mode| mode.as_str()).collect();
        missing.sort_unstable();
        if !missing.is_empty() {
            return Err(wrong(format!("missing required types: [{}]", missing.join(" "))));
        }
        if let Some(mode) = plan.places.iter().find_map(|place| new_mode(place, modes)) {
            let mode = mode.as_str();
            return Err(wrong(format!(
                "authorizer type {mode} is not allowed if it was not enabled at initial server startup"
            )));
        }
        if plan.places != before {
            authorities.chain.replace(authorities.built_ins.links(&plan)?);
        }
        Ok(plan.places)
    }
}

fn new_mode(place: &Place, known: &[Mode]) -> Option<Mode> {
    match place {
        // Whoever wanted nothing to be refused had to say so at the start; refusing more is always fine.
        Place::Ours(Mode::AlwaysDeny) | Place::Webhook(_) => None,
        Place::Ours(mode) => (!known.contains(mode)).then_some(*mode),
    }
}
