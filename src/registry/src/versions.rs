//! What admission must know of kinds: which versions serve the same objects, and how they become each
//! other.

use std::sync::Arc;

use portcullis_admission::{Kinds, Served, Target};
use portcullis_api::{ApiError, Gvk, Gvr, Object, Result, Scope};
use portcullis_schema::{FieldValidation, Schema};

use crate::Registry;
use crate::resource::Resource;

#[async_trait::async_trait]
impl Kinds for Registry {
    fn equivalents(&self, resource: &Gvr, subresource: &str) -> Vec<Target> {
        let Some(asked) = self.resource(resource) else { return Vec::new() };
        let others = self.resources().alike(&asked);
        let others = others.iter().filter(|other| other.row.gvr != *resource);
        others.filter_map(|other| target(other, subresource)).collect()
    }

    async fn convert(&self, object: Object, from: &Target, to: &Target) -> Result<Object> {
        if from.kind == to.kind {
            return Ok(object);
        }
        let unknown = |gvr: &Gvr| ApiError::internal(format!("{gvr:?} is not served"));
        let source = self.resource(&from.resource).ok_or_else(|| unknown(&from.resource))?;
        let other = self.resource(&to.resource).ok_or_else(|| unknown(&to.resource))?;
        other.converted(object, &source).await
    }

    fn served(&self, kind: &Gvk) -> Option<Served> {
        let resource = self.resources().of_kind(kind)?;
        Some(Served { target: target(&resource, "")?, namespaced: resource.scope() == Scope::Namespaced })
    }

    fn schema(&self, of: &Target) -> Option<Schema> {
        self.schema_of(of)
    }

    fn settle(&self, of: &Target, object: &mut Object) -> Result<()> {
        let schema =
            self.schema_of(of).ok_or_else(|| ApiError::internal(format!("{} is not served", of.kind)))?;
        schema.normalize(object, FieldValidation::Ignore).map_err(|why| {
            let said = why.into_api_error(schema.kind(), schema.api_version(), b"");
            ApiError::internal_said(said.message())
        })?;
        schema.fill_defaults(object)?;
        schema.forget_empties(object);
        Ok(())
    }
}

impl Registry {
    fn resource(&self, gvr: &Gvr) -> Option<Arc<Resource>> {
        self.resources().find(&gvr.gv.group, &gvr.gv.version, &gvr.resource)
    }

    /// The schema of a target: that of the resource, unless a subresource has a kind of its own.
    fn schema_of(&self, of: &Target) -> Option<Schema> {
        match self.resource(&of.resource).filter(|resource| *resource.gvk() == of.kind) {
            Some(resource) => Some(resource.kind.clone()),
            None => portcullis_schema::kind(&of.kind).map(Schema::from),
        }
    }
}

/// A resource, or a subresource that it has as well.
fn target(resource: &Resource, subresource: &str) -> Option<Target> {
    let kind = match subresource {
        "" => resource.gvk().clone(),
        name => resource.row.subresource(name)?.gvk.clone(),
    };
    Some(Target { resource: resource.row.gvr.clone(), kind })
}
