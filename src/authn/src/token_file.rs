//! The static token file: `token,user,uid,"group1,group2"` lines, as upstream's.
//!
//! Not mine: a token that is not in the file. Nothing is rejected.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use portcullis_api::UserInfo;
use tracing::warn;

use crate::ConfigError;
use crate::attempt::{Attempt, Identity, Method, authenticated};
use crate::authenticator::TokenScheme;
use crate::life::{Life, StillGood};

/// The scheme. Only hashes of the tokens stay in memory.
pub struct TokenFile {
    users: ArcSwap<Users>,
}

/// Users by the hash of their token.
type Users = HashMap<Vec<u8>, Arc<Known>>;

/// A line of the file, for as long as it is there.
struct Known {
    user: UserInfo,
    gone: AtomicBool,
}

impl StillGood for Known {
    fn is_good(&self, _now: Timestamp) -> bool {
        !self.gone.load(Ordering::Acquire)
    }
}

impl TokenFile {
    /// Reads a file's text; `name` is for messages. Fields may be quoted; a quoted field may span lines.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        Ok(Self { users: ArcSwap::from_pointee(read(name, text)?) })
    }

    /// Reads a changed file: whoever is not in it any more is refused, and the streams it opened end. A
    /// bad file changes nothing.
    pub fn replace(&self, name: &str, text: &str) -> Result<(), ConfigError> {
        let mut new = read(name, text)?;
        let old = self.users.load();
        for (hash, known) in old.iter() {
            match new.get_mut(hash).filter(|line| line.user == known.user) {
                Some(line) => *line = known.clone(),
                None => known.gone.store(true, Ordering::Release),
            }
        }
        self.users.store(Arc::new(new));
        Ok(())
    }
}

fn read(name: &str, text: &str) -> Result<Users, ConfigError> {
    let mut users = HashMap::new();
    for record in records(text) {
        let Record { line, fields } = record.map_err(|(line, why)| bad(name, line, why))?;
        let [token, user, uid, rest @ ..] = fields.as_slice() else {
            return Err(bad(name, line, "at least token, user name and user uid are required"));
        };
        if user.is_empty() {
            return Err(bad(name, line, "the user name is empty"));
        }
        if token.is_empty() {
            warn!(file = name, line, "Skipped an empty token");
            continue;
        }
        let groups = rest.first().map(String::as_str).unwrap_or_default();
        let groups = groups.split(',').filter(|group| !group.is_empty());
        let user = UserInfo { uid: uid.as_str().into(), ..UserInfo::new(user, groups) };
        if user.groups.iter().any(|group| group.starts_with("system:")) {
            warn!(file = name, line, "A token's user is in a system: group");
        }
        let known = Known { user: authenticated(user), gone: AtomicBool::new(false) };
        if users.insert(hash(token), Arc::new(known)).is_some() {
            warn!(file = name, line, "A token is there twice; the last line counts");
        }
    }
    Ok(users)
}

#[async_trait]
impl TokenScheme for TokenFile {
    async fn authenticate(&self, token: &str, _audiences: &[String], _now: Timestamp) -> Attempt {
        let Some(known) = self.users.load().get(&hash(token)).cloned() else { return Attempt::NotMine };
        let identity = Identity::new(known.user.clone(), Method::TokenFile, None);
        Attempt::Verified(Identity { life: Life::until(None).while_good(known), ..identity })
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile").field("tokens", &self.users.load().len()).finish()
    }
}

fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

fn bad(name: &str, line: usize, why: &'static str) -> ConfigError {
    ConfigError::Line { file: name.to_owned(), line, why }
}

#[derive(Debug)]
struct Record {
    line: usize,
    fields: Vec<String>,
}

/// The records of a comma-separated text as Go's reader finds them. Blank lines are skipped.
fn records(text: &str) -> impl Iterator<Item = Result<Record, (usize, &'static str)>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n').map(strip_carriage_return).enumerate().peekable();
    std::iter::from_fn(move || {
        loop {
            let (number, line) = lines.next()?;
            if line.trim_end_matches('\n').is_empty() {
                continue;
            }
            let mut whole = line;
            // An odd number of quotes means that a quoted field goes on in the next line.
            while whole.matches('"').count() % 2 == 1 {
                match lines.next() {
                    Some((_, more)) => whole.push_str(&more),
                    None => return Some(Err((number + 1, "a quote is not closed"))),
                }
            }
            let fields = split(whole.trim_end_matches('\n'));
            return Some(
                fields.map(|fields| Record { line: number + 1, fields }).map_err(|why| (number + 1, why)),
            );
        }
    })
}

fn strip_carriage_return(line: &str) -> String {
    match line.strip_suffix("\r\n") {
        Some(body) => format!("{body}\n"),
        None => line.to_owned(),
    }
}

fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (field, after) = rest.split_once(',').map_or((rest, None), |(f, a)| (f, Some(a)));
                if field.contains('"') {
                    return Err("a quote stands in a field that is not quoted");
                }
                (field.to_owned(), after)
            }
        };
        fields.push(field);
        match after {
            Some(more) => rest = more,
            None => return Ok(fields),
        }
    }
}

/// The field after an opening quote, and what follows its comma.
fn unquote(text: &str) -> Result<(String, Option<&str>), &'static str> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"').ok_or("a quote is not closed")?;
        field.push_str(part);
        if let Some(more) = after.strip_prefix('"') {
            field.push('"');
            rest = more;
        } else if after.is_empty() {
            return Ok((field, None));
        } else if let Some(more) = after.strip_prefix(',') {
            return Ok((field, Some(more)));
        } else {
            return Err("text follows a closing quote");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> TokenFile {
        TokenFile::parse("tokens.csv", text).unwrap()
    }

    fn user(file: &TokenFile, token: &str) -> UserInfo {
        file.users.load().get(&hash(token)).unwrap().user.clone()
    }

    fn groups(user: &UserInfo) -> Vec<&str> {
        user.groups.iter().map(|g| &**g).collect()
    }

    #[test]
    fn lines_name_token_user_uid_and_groups() {
        let file = parse("t1,jane,7,\"dev,ops\"\r\n\n\"t\"\"2\",joe,\n");
        assert_eq!((&*user(&file, "t1").name, &*user(&file, "t1").uid), ("jane", "7"));
        assert_eq!(groups(&user(&file, "t1")), ["dev", "ops", "system:authenticated"]);
        assert_eq!(groups(&user(&file, "t\"2")), ["system:authenticated"]);
    }

    #[test]
    fn d079_groups_are_split_on_commas_exactly() {
        let file = parse("t,u,1,\"g1, g2,,\",extra");
        assert_eq!(groups(&user(&file, "t")), ["g1", " g2", "system:authenticated"]);
    }

    #[test]
    fn the_last_of_two_equal_tokens_counts_and_empty_ones_do_not() {
        let file = parse("t,a,1\nt,b,2\n,c,3");
        assert_eq!(&*user(&file, "t").name, "b");
        assert_eq!(file.users.load().len(), 1);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, line) in
            [("t,u,1\nt,u", 2), ("\"t,u,1", 1), ("a\"b,u,1", 1), ("t,u,1\n\n\"x\"y,u,1", 3), ("t,,1", 1)]
        {
            let error = TokenFile::parse("f", text).unwrap_err();
            assert!(matches!(error, ConfigError::Line { line: l, .. } if l == line), "{text:?}: {error}");
        }
    }

    #[tokio::test]
    async fn a_line_that_is_gone_ends_what_it_opened() {
        let file = parse("t,jane,7\nu,joe,8");
        let life = async |token: &str| match file.authenticate(token, &[], Timestamp::now()).await {
            Attempt::Verified(identity) => identity.life,
            other => panic!("{other:?}"),
        };
        let (jane, joe) = (life("t").await, life("u").await);
        assert!(file.replace("f", "t,jane").is_err());
        assert!(jane.holds(Timestamp::now()) && joe.holds(Timestamp::now()));
        file.replace("f", "u,joe,8").unwrap();
        assert!(!jane.holds(Timestamp::now()) && joe.holds(Timestamp::now()));
        assert!(matches!(file.authenticate("t", &[], Timestamp::now()).await, Attempt::NotMine));
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,200}") {
            let _ = TokenFile::parse("f", &text);
        }
    }
}
