//! A user of etcd's that is known by name and password: a token is asked for with them and shown with every call.
//! Tokens end, and end early when somebody changes etcd's users; then another is asked for.

use parking_lot::RwLock;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use super::proto::AuthenticateRequest;

/// The metadata in which etcd looks for a token.
const TOKEN: &str = "token";

type Token = MetadataValue<tonic::metadata::Ascii>;

/// Who this server is to etcd; nobody, or whom its certificate names, without a name and a password.
pub(super) struct Credentials {
    user: Option<(String, SecretString)>,
    token: RwLock<Option<Token>>,
}

impl Credentials {
    pub(super) fn new(user: Option<(String, SecretString)>) -> Self {
        Self { user, token: RwLock::default() }
    }

    /// What to ask for a token with, if one is needed and not at hand.
    pub(super) fn lacking(&self) -> Option<AuthenticateRequest> {
        let (name, password) = self.user.as_ref()?;
        if self.token.read().is_some() {
            return None;
        }
        Some(AuthenticateRequest { name: name.clone(), password: password.expose_secret().to_owned() })
    }

    /// Keeps a token.
    pub(super) fn keep(&self, token: &str) -> Result<(), Status> {
        let mut token =
            Token::try_from(token).map_err(|_| Status::internal("etcd gave something that is no token"))?;
        token.set_sensitive(true);
        *self.token.write() = Some(token);
        Ok(())
    }

    /// Shows the token with a call.
    pub(super) fn show(&self, call: &mut MetadataMap) {
        if let Some(token) = &*self.token.read() {
            call.insert(TOKEN, token.clone());
        }
    }

    /// Whether a call was refused for its token alone, which is then forgotten: with another it may be made again.
    pub(super) fn outlived(&self, status: &Status) -> bool {
        let said = status.message();
        let stale = status.code() == Code::Unauthenticated
            || said.contains("invalid auth token")
            || said.contains("revision in the token is old")
            || said.contains("user name is empty");
        stale && self.forget()
    }

    /// Forgets the token; false if there is none.
    pub(super) fn forget(&self) -> bool {
        self.token.write().take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_once_and_again_when_it_ended() {
        let credentials = Credentials::new(Some(("root".to_owned(), "secret".to_owned().into())));
        assert_eq!(credentials.lacking().unwrap().password, "secret");
        credentials.keep("token.1").unwrap();
        assert!(credentials.lacking().is_none());
        let mut call = MetadataMap::new();
        credentials.show(&mut call);
        assert_eq!(call.get(TOKEN).unwrap(), "token.1");
        assert!(!format!("{call:?}").contains("token.1"), "{call:?}");
        assert!(!credentials.outlived(&Status::unavailable("etcdserver: no leader")));
        assert!(credentials.outlived(&Status::unauthenticated("etcdserver: invalid auth token")));
        assert!(credentials.lacking().is_some());
        assert!(!credentials.outlived(&Status::unauthenticated("etcdserver: invalid auth token")), "once");
    }

    #[test]
    fn without_a_user_nothing_is_asked_for() {
        let credentials = Credentials::new(None);
        assert!(credentials.lacking().is_none());
        let mut call = MetadataMap::new();
        credentials.show(&mut call);
        assert!(call.is_empty() && !credentials.outlived(&Status::unauthenticated("")));
    }

    #[test]
    fn passwords_are_not_printed() {
        let question = AuthenticateRequest { name: "root".to_owned(), password: "secret".to_owned() };
        assert_eq!(format!("{question:?}"), r#"AuthenticateRequest { name: "root", .. }"#);
    }
}
