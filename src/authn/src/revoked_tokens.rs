//! Service account tokens that were taken back before their end: single ones by their id, and all that an
//! account was issued before some moment.
//!
//! The registry tells of every commit, so a token is refused before its revocation is answered. Whoever
//! opened a stream with one asks again and again; a counter says whether there is anything to ask.

use std::collections::{HashMap, HashSet};
use std::fmt;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use portcullis_api::{Object, time};

/// What names a token in audit events: `JTI=` and the token's id.
const JTI: &str = "JTI=";

/// What was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevokedToken {
    /// The token of an id.
    Id(String),
    /// All tokens of an account that were issued before a moment.
    Account {
        /// The account's namespace.
        namespace: String,
        /// The account's name.
        name: String,
        /// The moment; tokens issued in its second are older than it.
        before: Timestamp,
    },
}

impl RevokedToken {
    /// What an object of the API takes back. One that cannot be read takes back nothing.
    pub fn of(object: &Object) -> Option<Self> {
        let text = |path: &[&str]| object.str_at(path).to_owned();
        let id = text(&["spec", "credentialID"]);
        if !id.is_empty() {
            return Some(Self::Id(id.strip_prefix(JTI).unwrap_or(&id).to_owned()));
        }
        let namespace = text(&["spec", "serviceAccount", "namespace"]);
        let name = text(&["spec", "serviceAccount", "name"]);
        let before = time::parse(object.str_at(&["spec", "issuedBefore"]))?;
        (!namespace.is_empty() && !name.is_empty()).then_some(Self::Account { namespace, name, before })
    }
}

/// Everything that was taken back, each under the name of whatever took it back.
#[derive(Default)]
pub struct RevokedTokens(ArcSwap<Marks>);

#[derive(Clone, Default)]
struct Marks {
    generation: u64,
    by_name: HashMap<String, RevokedToken>,
    ids: HashSet<String>,
    accounts: HashMap<(String, String), Timestamp>,
}

/// What a revocation can name of a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits<'a> {
    pub(crate) id: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) account: &'a str,
    pub(crate) issued: Timestamp,
}

impl RevokedTokens {
    /// Takes something back, or gives back what was taken under a name.
    pub fn set(&self, name: &str, revoked: Option<RevokedToken>) {
        self.0.rcu(|marks| {
            let mut by_name = marks.by_name.clone();
            match &revoked {
                Some(revoked) => by_name.insert(name.to_owned(), revoked.clone()),
                None => by_name.remove(name),
            };
            Marks::of(by_name, marks.generation.wrapping_add(1))
        });
    }

    /// Counts the changes.
    pub(crate) fn generation(&self) -> u64 {
        self.0.load().generation
    }

    pub(crate) fn covers(&self, token: Traits<'_>) -> bool {
        let marks = self.0.load();
        if marks.by_name.is_empty() {
            return false;
        }
        // A token without id is of a server that gives none: only its account's revocation reaches it.
        let by_id = !token.id.is_empty() && marks.ids.contains(token.id);
        by_id || {
            let account = (token.namespace.to_owned(), token.account.to_owned());
            marks.accounts.get(&account).is_some_and(|before| token.issued <= *before)
        }
    }
}

impl Marks {
    fn of(by_name: HashMap<String, RevokedToken>, generation: u64) -> Self {
        let mut marks = Self { generation, ..Self::default() };
        for revoked in by_name.values() {
            match revoked {
                RevokedToken::Id(id) => {
                    marks.ids.insert(id.clone());
                }
                RevokedToken::Account { namespace, name, before } => {
                    let latest = marks.accounts.entry((namespace.clone(), name.clone())).or_insert(*before);
                    *latest = (*latest).max(*before);
                }
            }
        }
        Self { by_name, ..marks }
    }
}

impl fmt::Debug for RevokedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevokedTokens").field("revocations", &self.0.load().by_name.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(spec: serde_json::Value) -> Object {
        let tree = json!({"metadata": {"name": "r"}, "spec": spec});
        Object::new(tree.as_object().unwrap().clone())
    }

    fn token(id: &str, issued: &str) -> bool {
        let list = RevokedTokens::default();
        for (name, spec) in [
            ("a", json!({"credentialID": "JTI=one"})),
            ("b", json!({"credentialID": "two"})),
            (
                "c",
                json!({"serviceAccount": {"namespace": "a", "name": "x"}, "issuedBefore": "2026-01-02T00:00:00Z"}),
            ),
            (
                "d",
                json!({"serviceAccount": {"namespace": "a", "name": "x"}, "issuedBefore": "2026-01-01T00:00:00Z"}),
            ),
        ] {
            list.set(name, RevokedToken::of(&object(spec)));
        }
        let issued = issued.parse().unwrap();
        list.covers(Traits { id, namespace: "a", account: "x", issued })
    }

    #[test]
    fn single_tokens_and_all_of_an_account_are_taken_back() {
        let late = "2026-02-01T00:00:00Z";
        assert!(token("one", late) && token("two", late));
        assert!(!token("three", late) && !token("", late) && !token("ONE", late));
        assert!(token("three", "2026-01-01T12:00:00Z") && token("", "2026-01-02T00:00:00Z"));
        assert!(!token("three", "2026-01-02T00:00:01Z"));
    }

    #[test]
    fn what_is_given_back_counts_again_and_every_change_is_counted() {
        let list = RevokedTokens::default();
        let asked = Traits { id: "one", namespace: "a", account: "x", issued: Timestamp::now() };
        let before = list.generation();
        list.set("r", Some(RevokedToken::Id("one".into())));
        list.set("s", Some(RevokedToken::Id("one".into())));
        assert!(list.covers(asked) && list.generation() > before);
        list.set("r", None);
        assert!(list.covers(asked), "another revocation still names it");
        list.set("s", None);
        assert!(!list.covers(asked));
    }

    #[test]
    fn what_says_nothing_takes_back_nothing() {
        for spec in [
            json!({}),
            json!({"credentialID": ""}),
            json!({"serviceAccount": {"namespace": "a", "name": "x"}}),
            json!({"serviceAccount": {"namespace": "a"}, "issuedBefore": "2026-01-02T00:00:00Z"}),
            json!({"serviceAccount": {"namespace": "a", "name": "x"}, "issuedBefore": "soon"}),
        ] {
            assert_eq!(RevokedToken::of(&object(spec)), None);
        }
    }
}
