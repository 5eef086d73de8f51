//! What is fuzzed: one plain function for each target, from bytes to "it did not panic".
//!
//! The engine (`fuzz_targets/`) and the smoke test (`tests/smoke.rs`) call the same functions.

mod apply;
mod attributes;
mod audit;
mod cel;
mod certificate;
mod decode;
mod headers;
mod identity;
mod jwt;
mod patch;
mod policy;
mod protobuf;
mod review;
mod selector;
mod store;
mod strategic;
mod structural;

pub use apply::apply;
pub use attributes::attributes;
pub use audit::audit;
pub use cel::cel;
pub use certificate::certificate;
pub use decode::decode;
pub use headers::headers;
pub use identity::identity;
pub use jwt::jwt;
pub use patch::patch;
pub use policy::policy;
pub use protobuf::protobuf;
pub use review::review;
pub use selector::selector;
pub use store::store;
pub use strategic::strategic;
pub use structural::structural;

/// A target's name and body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, for the smoke test.
pub const TARGETS: &[Target] = &[
    ("apply", apply),
    ("attributes", attributes),
    ("audit", audit),
    ("cel", cel),
    ("certificate", certificate),
    ("decode", decode),
    ("headers", headers),
    ("identity", identity),
    ("jwt", jwt),
    ("patch", patch),
    ("policy", policy),
    ("protobuf", protobuf),
    ("review", review),
    ("selector", selector),
    ("strategic", strategic),
    ("store", store),
    ("structural", structural),
];
