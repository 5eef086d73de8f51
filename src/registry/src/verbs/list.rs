//! GET of a collection: a consistent snapshot, filtered, in pages.

use std::borrow::Cow;
use std::sync::Arc;

use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{NO_PAD, URL_SAFE_NO_PAD};
use base64::{Engine as _, alphabet};
use http::StatusCode;
use portcullis_api::selector::UnknownField;
use portcullis_api::{ApiError, Result};
use portcullis_storage::{Entry, Revision, Snapshot, StoreError, Trait};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::get::parse_listed_version;
use crate::call::Call;
use crate::custom::Serving;
use crate::door::{future_revision, storage_error};
use crate::negotiate::{self, Endpoint};
use crate::options::{ListOptions, RvMatch};
use crate::resource::Resource;
use crate::respond::ListMeta;
use crate::{Response, respond};

/// Like Go's decoder, indifferent to the bits that the last character does not need.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// So many custom objects are converted together.
const BATCH: usize = 500;

/// What a list found.
pub(crate) struct Selected {
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) meta: ListMeta,
}

/// Serves a list.
pub(crate) async fn serve(call: &mut Call<'_>) -> Result<Response> {
    let output = negotiate::output_of(call, Endpoint::Collection)?;
    let options = ListOptions::parse(&call.query, false)?;
    let selected = select(call, &options).await?;
    call.slot.listed(selected.entries.len());
    respond::list(call, output, StatusCode::OK, selected).await
}

/// Finds the objects a list asks for.
pub(crate) async fn select(call: &Call<'_>, options: &ListOptions) -> Result<Selected> {
    options.check_fields(call)?;
    let start = start(call, options).await?;
    let snapshot = &start.snapshot;
    let prefix = call.resource.prefix(&call.target.namespace);
    let limit = if options.limit == 0 { usize::MAX } else { options.limit };
    let mut entries = Vec::new();
    let mut last_key = None;
    let mut seen = 0_usize;
    let mut source =
        Source::new(call, candidates(call, options, snapshot, (&prefix, start.after.as_deref())));
    while let Some(entry) = source.next().await? {
        if entries.len() == limit {
            last_key = entries.last().map(|entry: &Arc<Entry>| entry.key().clone());
            break;
        }
        seen += 1;
        if options.matches(call.resource, &entry) {
            entries.push(entry.into_owned());
        }
    }
    let revision = snapshot.revision();
    let mut meta = ListMeta { resource_version: revision.to_string(), ..ListMeta::default() };
    if let Some(key) = last_key {
        let whole = options.labels.is_none() && options.fields.is_none();
        let before = if whole { start.before.map(|before| before.saturating_add(seen)) } else { None };
        let begin = key.strip_prefix(prefix.as_str()).unwrap_or_default();
        meta.cont = Continue::new(revision, begin, before).encode()?;
        if whole {
            meta.remaining = Some(match before {
                Some(before) => snapshot.count_under(&prefix).saturating_sub(before),
                None => snapshot.under(&prefix, start.after.as_deref()).count().saturating_sub(seen),
            });
        }
    }
    Ok(Selected { entries, meta })
}

/// The objects that may be selected, without those of which it is known that they are not.
fn candidates<'s>(
    call: &Call<'_>,
    options: &ListOptions,
    snapshot: &'s Snapshot,
    (prefix, after): (&str, Option<&str>),
) -> Box<dyn Iterator<Item = &'s Arc<Entry>> + Send + 's> {
    if let Some(key) = options.key_of_one(call) {
        return snapshot.having(&[Trait::Key(&key)], prefix, after);
    }
    snapshot.having(&options.traits(call.resource), prefix, after)
}

/// Entries as the endpoint's version shows them. Custom ones may have to be converted, which is done for
/// many at a time.
struct Source<'c, 's, I> {
    call: &'c Call<'c>,
    entries: I,
    shown: std::collections::VecDeque<Arc<Entry>>,
    stored: std::marker::PhantomData<&'s Entry>,
}

impl<'c, 's, I: Iterator<Item = &'s Arc<Entry>>> Source<'c, 's, I> {
    fn new(call: &'c Call<'c>, entries: I) -> Self {
        Self { call, entries, shown: std::collections::VecDeque::new(), stored: std::marker::PhantomData }
    }

    async fn next(&mut self) -> Result<Option<Cow<'s, Arc<Entry>>>> {
        if let Some(entry) = self.shown.pop_front() {
            return Ok(Some(Cow::Owned(entry)));
        }
        let Some(entry) = self.entries.next() else { return Ok(None) };
        if self.call.resource.shows(entry) {
            return Ok(Some(Cow::Borrowed(entry)));
        }
        let mut batch = vec![entry.clone()];
        batch.extend(self.entries.by_ref().take(BATCH - 1).cloned());
        self.shown = self.call.resource.all_shown(batch).await?.into();
        Ok(self.shown.pop_front().map(Cow::Owned))
    }
}

/// Where a list begins.
struct Start {
    snapshot: Snapshot,
    /// The key to go on after.
    after: Option<String>,
    /// How many objects earlier pages had, if that is known.
    before: Option<usize>,
}

impl Start {
    fn first(snapshot: Snapshot) -> Self {
        Self { snapshot, after: None, before: Some(0) }
    }
}

async fn start(call: &Call<'_>, options: &ListOptions) -> Result<Start> {
    if !options.cont.is_empty() {
        let token = Continue::decode(&options.cont, &options.resource_version)?;
        let prefix = call.resource.prefix(&call.target.namespace);
        let after = format!("{prefix}{}", token.start.trim_end_matches('\0'));
        let (snapshot, before) = match token.rv {
            -1 => {
                call.registry.reach("").await?;
                (call.resource.snapshot()?, None)
            }
            rv => (at(call, Revision(u64::try_from(rv).unwrap_or_default())).await?, token.before),
        };
        return Ok(Start { snapshot, after: Some(after), before });
    }
    let asked = parse_listed_version(&options.resource_version)?;
    let exact = match (asked, options.rv_match) {
        (Some(revision), Some(RvMatch::Exact)) => Some(revision),
        (Some(revision), None) if options.limit > 0 && !revision.is_unset() => Some(revision),
        _ => None,
    };
    if let Some(revision) = exact {
        return Ok(Start::first(at(call, revision).await?));
    }
    call.registry.reach(&options.resource_version).await?;
    Ok(Start::first(call.resource.snapshot()?))
}

async fn at(call: &Call<'_>, revision: Revision) -> Result<Snapshot> {
    let current = call.registry.store().current_revision();
    if revision > current {
        return Err(future_revision(revision, current));
    }
    match call.resource.cache()?.snapshot_at(revision).await {
        Ok(snapshot) => Ok(snapshot),
        Err(StoreError::Compacted { .. }) if call.query.text("continue").is_empty() => {
            Err(ApiError::expired("The resourceVersion for the provided list is too old."))
        }
        Err(StoreError::Compacted { .. }) => Err(expired_continue(call, current)),
        Err(error) => Err(storage_error(error)),
    }
}

/// 410 with a token that goes on at the present state, for clients that accept the inconsistency.
fn expired_continue(call: &Call<'_>, _current: Revision) -> ApiError {
    let error = storage_error(StoreError::Compacted { asked: Revision::UNSET, oldest: Revision::UNSET });
    let token = Continue::decode(call.query.text("continue"), "")
        .and_then(|token| Continue { rv: -1, before: None, ..token }.encode())
        .unwrap_or_default();
    error.with_continue(&token)
}

impl ListOptions {
    /// Checks that the field selector names fields the resource has.
    pub(crate) fn check_fields(&self, call: &Call<'_>) -> Result<()> {
        if let Some(fields) = &self.fields {
            let custom = call.resource.custom().is_some();
            let built_in = || UnknownField::of(&call.resource.gr);
            let words = if custom { UnknownField::NotSupported } else { built_in() };
            fields.check_known(&call.resource.row.selectable, words).map_err(ApiError::bad_request)?;
        }
        Ok(())
    }

    /// The key of the one object that can be selected, if its name and place are asked for.
    pub(crate) fn key_of_one(&self, call: &Call<'_>) -> Option<String> {
        let name = self.fields.as_ref()?.exact("metadata.name")?;
        let place = call.resource.is_place(&call.target.namespace);
        place.then(|| format!("{}{name}", call.resource.prefix(&call.target.namespace)))
    }

    /// What every object that is selected can be found by, in whatever version it is stored.
    pub(crate) fn traits(&self, resource: &Resource) -> SmallVec<[Trait<'_>; 8]> {
        if resource.custom().is_some_and(Serving::may_relabel) {
            return SmallVec::new();
        }
        let labels = self.labels.iter().flat_map(|labels| labels.exact());
        let fields = self.fields.iter().flat_map(|fields| fields.terms()).filter(|term| term.is_equal());
        let fields = fields.filter_map(|term| resource.trait_of(term.field(), term.value()));
        labels.map(|(key, value)| Trait::Label(key, value)).chain(fields).collect()
    }

    /// Whether an entry is selected.
    pub(crate) fn matches(&self, resource: &Resource, entry: &Entry) -> bool {
        self.labels.as_ref().is_none_or(|labels| labels.matches(|key| entry.labels().get(key)))
            && self.fields.as_ref().is_none_or(|fields| fields.matches(|field| resource.field(entry, field)))
    }
}

/// Where a page ended. Upstream's token with one member more, which it ignores.
#[derive(Serialize, Deserialize)]
struct Continue {
    v: String,
    rv: i64,
    start: String,
    /// How many objects there were up to here, so that nobody has to count them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<usize>,
}

impl Continue {
    fn new(revision: Revision, start: &str, before: Option<usize>) -> Self {
        let rv = i64::try_from(revision.get()).unwrap_or(i64::MAX);
        Self { v: "meta.k8s.io/v1".into(), rv, start: format!("{start}\0"), before }
    }

    fn encode(&self) -> Result<String> {
        let json = serde_json::to_vec(self).map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(URL_SAFE_NO_PAD.encode(json))
    }

    fn decode(text: &str, resource_version: &str) -> Result<Self> {
        let invalid = |why: String| {
            ApiError::bad_request(format!("invalid continue token: continue key is not valid: {why}"))
        };
        let json = LENIENT.decode(text).map_err(|error| invalid(error.to_string()))?;
        let mistake = || portcullis_schema::decode::json_mistake(&json);
        let token: Self = serde_json::from_slice(&json)
            .map_err(|error| invalid(mistake().unwrap_or_else(|| error.to_string())))?;
        if token.v != "meta.k8s.io/v1" {
            return Err(invalid(format!("server does not recognize this encoded version {:?}", token.v)));
        }
        if token.rv == 0 {
            return Err(invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)".into()));
        }
        if token.start.starts_with('/') || token.start.split('/').any(|part| part == "..") {
            return Err(invalid(token.start));
        }
        if !resource_version.is_empty() && resource_version != "0" {
            let why = "specifying resource version is not allowed when using continue";
            return Err(ApiError::bad_request(why));
        }
        Ok(token)
    }
}
