//! What expressions can know of the objects of a kind before they see one.

use std::sync::Arc;

use portcullis_cel::{Merge, Property, Shape};

use crate::schema::Schema;
use crate::types::{StructId, Type, types};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

impl Schema {
    /// The shape of the kind's objects. Its types are named after the kind.
    pub fn expression_shape(&self) -> Arc<Shape> {
        match self {
            Self::BuiltIn(kind) => Walk::default().of_struct(kind.root(), kind.kind()),
            Self::Custom(kind) => {
                let name = format!("{}.metadata", kind.gvk().kind);
                let metadata = types().by_definition(OBJECT_META);
                let metadata = metadata.map(|id| Walk::default().of_struct(id, &name));
                kind.structural().expression_shape(metadata)
            }
        }
    }
}

/// The structs around, so that one that holds itself ends somewhere.
#[derive(Default)]
struct Walk(Vec<StructId>);

impl Walk {
    fn of_struct(&mut self, id: StructId, name: &str) -> Arc<Shape> {
        if self.0.contains(&id) {
            return Arc::new(Shape::object(name, Vec::new()));
        }
        self.0.push(id);
        let fields = types().get(id).fields.iter().map(|field| Property {
            name: field.json.to_owned(),
            shape: self.of_type(&field.ty, &format!("{name}.{}", field.json)),
            counted: false,
        });
        let fields = fields.collect();
        self.0.pop();
        Arc::new(Shape::object(name, fields))
    }

    fn of_type(&mut self, ty: &Type, name: &str) -> Arc<Shape> {
        Arc::new(match ty {
            Type::Struct(id) => return self.of_struct(*id, name),
            Type::String | Type::Duration => Shape::string(None),
            Type::Bool => Shape::bool(),
            Type::Int32 | Type::Int64 => Shape::int(),
            Type::Float64 => Shape::double(),
            Type::Bytes => Shape::bytes(None),
            Type::Time | Type::MicroTime => Shape::date_time(),
            Type::IntOrString => Shape::int_or_string(None),
            Type::RawObject | Type::FieldsV1 => Shape::object(name, Vec::new()),
            // What upstream's definitions have no type for is not seen.
            Type::Quantity
            | Type::Json
            | Type::SchemaOrBool
            | Type::SchemaOrArray
            | Type::SchemaOrStrings => Shape::hidden(),
            Type::List(item) => {
                let item = self.of_type(item, &format!("{name}.@idx"));
                if item.is_visible() { Shape::list(item, None, Merge::Atomic) } else { Shape::hidden() }
            }
            Type::Map(value) => {
                let value = self.of_type(value, &format!("{name}.@elem"));
                if value.is_visible() { Shape::map(value, None) } else { Shape::hidden() }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use portcullis_cel::Environment;

    use super::*;

    #[track_caller]
    fn complaint(kind: (&str, &str, &str), text: &str) -> Option<String> {
        let schema = Schema::from(crate::kind_named(kind.0, kind.1, kind.2).unwrap());
        let shape = schema.expression_shape();
        let environment = Environment::new().variable("object", shape.cel_type().unwrap());
        environment.compile(text).err().map(|error| error.to_string())
    }

    #[test]
    fn fields_of_built_in_kinds_have_their_types() {
        let deployment = ("apps", "v1", "Deployment");
        for text in [
            "object.spec.replicas > 1",
            "object.metadata.labels['a'] == 'b'",
            "object.spec.template.spec.containers.all(c, c.image.startsWith('x'))",
            "object.metadata.creationTimestamp < timestamp('2030-01-01T00:00:00Z')",
            "object.spec.strategy.rollingUpdate.maxSurge == '25%'",
        ] {
            assert_eq!(complaint(deployment, text), None, "{text}");
        }
        for (text, words) in [
            ("object.spec.replicas > '1'", "found no matching overload for '_>_' applied to '(int, string)'"),
            ("object.spec.colour == 'red'", "undefined field 'colour'"),
        ] {
            assert!(complaint(deployment, text).unwrap().contains(words), "{text}");
        }
    }

    #[test]
    fn a_kind_that_holds_itself_ends_somewhere() {
        let definition = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        assert_eq!(complaint(definition, "object.spec.group == 'x'"), None);
    }
}
