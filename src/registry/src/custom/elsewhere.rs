//! Who owns which fields in other versions, where a webhook converts.
//!
//! Owners are worked out at once, a webhook takes its time. So what is not known yet is noted down and taken for the
//! object as it is; it is asked for, and the work is done again with the answers.

use parking_lot::Mutex;
use portcullis_api::{Map, Object, Result, Value};
use portcullis_schema::managed::{ShapeRef, Versions, Writable};

use super::serving::{Others, Serving};

/// What a request learned of objects in other versions.
#[derive(Default)]
pub(crate) struct Elsewhere(Mutex<Known>);

type Tree = Map<String, Value>;

#[derive(Default)]
struct Known {
    /// An object, a version, and the object in it.
    answers: Vec<(Tree, String, Tree)>,
    questions: Vec<(Tree, String)>,
}

impl Elsewhere {
    fn look(&self, object: &Tree, to: &str) -> Option<Tree> {
        let mut known = self.0.lock();
        let answer = known.answers.iter().find(|(of, version, _)| version == to && of == object);
        let answer = answer.map(|(.., converted)| converted.clone());
        let asked = known.questions.iter().any(|(of, version)| version == to && of == object);
        if answer.is_none() && !asked {
            known.questions.push((object.clone(), to.to_owned()));
        }
        answer
    }

    /// Asks what was noted down; whether anything was.
    ///
    /// # Errors
    /// What the webhook did wrong.
    pub(crate) async fn learn(&self, serving: &Serving) -> Result<bool> {
        let questions = std::mem::take(&mut self.0.lock().questions);
        let asked = !questions.is_empty();
        for (object, to) in questions {
            let converted = serving.converted(Object::new(object.clone()), &to).await?;
            self.0.lock().answers.push((object, to, converted.map().clone()));
        }
        Ok(asked)
    }
}

/// The versions of a definition with what is known of an object in each.
pub(crate) struct Asking<'k> {
    pub(super) others: &'k Others,
    pub(super) elsewhere: &'k Elsewhere,
}

impl Versions for Asking<'_> {
    fn convert(&self, object: &Tree, api_version: &str) -> Option<(ShapeRef<'_>, Tree)> {
        let (shape, same) = self.others.convert(object, api_version)?;
        let asked = self.others.is_converted().then(|| self.elsewhere.look(object, api_version)).flatten();
        Some((shape, asked.unwrap_or(same)))
    }

    fn writable(&self, api_version: &str) -> Writable<'_> {
        self.others.writable(api_version)
    }
}
