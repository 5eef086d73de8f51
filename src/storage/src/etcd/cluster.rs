//! The members of the cluster: one connection each, one of them in use, the next when it fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use secrecy::ExposeSecret as _;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

use super::credentials::Credentials;
use super::failure;
use super::options::{EtcdOptions, EtcdTls};
use super::proto::AuthenticateResponse;
use crate::StoreError;

/// How upstream's client keeps a connection alive.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A gRPC method.
#[derive(Clone, Copy)]
pub(super) struct Method(pub(super) &'static str);

pub(super) const RANGE: Method = Method("/etcdserverpb.KV/Range");
pub(super) const TXN: Method = Method("/etcdserverpb.KV/Txn");
pub(super) const COMPACT: Method = Method("/etcdserverpb.KV/Compact");
pub(super) const WATCH: Method = Method("/etcdserverpb.Watch/Watch");
pub(super) const LEASE_GRANT: Method = Method("/etcdserverpb.Lease/LeaseGrant");
pub(super) const STATUS: Method = Method("/etcdserverpb.Maintenance/Status");
const AUTHENTICATE: Method = Method("/etcdserverpb.Auth/Authenticate");

/// All members.
pub(super) struct Cluster {
    members: Vec<Channel>,
    current: AtomicUsize,
    timeout: Duration,
    credentials: Credentials,
}

impl Cluster {
    pub(super) fn new(options: &EtcdOptions) -> Result<Self, StoreError> {
        let members = options.endpoints.iter().map(|url| member(url, options.tls.as_ref()));
        let members = members.collect::<Result<Vec<_>, _>>()?;
        if members.is_empty() {
            return Err(StoreError::Invalid("no etcd server is named".to_owned()));
        }
        let credentials = Credentials::new(options.user.clone());
        Ok(Self { members, current: AtomicUsize::new(0), timeout: options.timeout, credentials })
    }

    /// Makes a call that changes nothing: another member is asked when one fails.
    pub(super) async fn read<Q, A>(
        &self,
        method: Method,
        doing: &'static str,
        call: Q,
    ) -> Result<A, StoreError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let mut last = Status::unavailable("no member answers");
        for _ in 0..=self.members.len() {
            let (place, channel) = self.member()?;
            match self.unary(channel, method, call.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(status) if failure::elsewhere(&status) => {
                    self.leave(place);
                    last = status;
                }
                Err(status) => return Err(failure::refused(doing, status)),
            }
        }
        Err(failure::refused(doing, last))
    }

    /// Makes a call that changes something: another member is asked only if it was never sent.
    pub(super) async fn write<Q, A>(&self, method: Method, call: Q) -> Result<A, StoreError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let mut last = Status::unavailable("no member answers");
        for _ in 0..=self.members.len() {
            let (place, channel) = self.member()?;
            match self.unary(channel, method, call.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(status) => {
                    if failure::elsewhere(&status) {
                        self.leave(place);
                    }
                    if !failure::unsent(&status) {
                        return Err(failure::in_doubt(status));
                    }
                    last = status;
                }
            }
        }
        Err(failure::in_doubt(last))
    }

    /// Opens a stream to the member in use; returns which one it is.
    pub(super) async fn stream<Q, A>(
        &self,
        method: Method,
        requests: impl futures::Stream<Item = Q> + Send + 'static,
    ) -> Result<(usize, Streaming<A>), StoreError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let (place, channel) = self.member()?;
        self.authenticate(&channel).await.map_err(|status| failure::refused("watch", status))?;
        let mut grpc = client(channel);
        let mut request = tonic::Request::new(requests);
        self.credentials.show(request.metadata_mut());
        // Ends the stream when the member loses its leader, rather than letting it go quiet.
        request.metadata_mut().insert("hasleader", tonic::metadata::MetadataValue::from_static("true"));
        let path = PathAndQuery::from_static(method.0);
        let opened = tokio::time::timeout(self.timeout, async {
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            grpc.streaming(request, path, ProstCodec::<Q, A>::default()).await
        });
        match opened.await {
            Ok(Ok(answer)) => Ok((place, answer.into_inner())),
            Ok(Err(status)) => Err(failure::refused("watch", status)),
            Err(_) => Err(failure::refused("watch", self.overdue())),
        }
    }

    /// Makes a call to one member.
    pub(super) async fn ask<Q, A>(&self, place: usize, method: Method, call: Q) -> Result<A, StoreError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let channel = self.members.get(place).cloned().ok_or(StoreError::Closed)?;
        self.unary(channel, method, call).await.map_err(|status| failure::refused("tell its version", status))
    }

    /// Asks for another token before the next call: a stream that ended does not say whether it was for its token.
    pub(super) fn renew(&self) {
        self.credentials.forget();
    }

    /// Uses the next member from now on, if this one is still in use.
    pub(super) fn leave(&self, place: usize) {
        let next = (place + 1) % self.members.len().max(1);
        let _ = self.current.compare_exchange(place, next, Ordering::AcqRel, Ordering::Acquire);
    }

    /// How many members are known.
    pub(super) fn size(&self) -> usize {
        self.members.len()
    }

    /// The member in use.
    pub(super) fn in_use(&self) -> usize {
        self.current.load(Ordering::Acquire)
    }

    fn member(&self) -> Result<(usize, Channel), StoreError> {
        let place = self.in_use();
        let channel = self.members.get(place).cloned().ok_or(StoreError::Closed)?;
        Ok((place, channel))
    }

    /// Makes a call; once more if etcd refused it for its token alone, before it looked at it.
    async fn unary<Q, A>(&self, channel: Channel, method: Method, call: Q) -> Result<A, Status>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        self.authenticate(&channel).await?;
        match self.once(channel.clone(), method, call.clone()).await {
            Err(status) if self.credentials.outlived(&status) => {
                self.authenticate(&channel).await?;
                self.once(channel, method, call).await
            }
            answer => answer,
        }
    }

    /// Gets a token if one is needed.
    async fn authenticate(&self, channel: &Channel) -> Result<(), Status> {
        let Some(question) = self.credentials.lacking() else { return Ok(()) };
        let answer: AuthenticateResponse = self.once(channel.clone(), AUTHENTICATE, question).await?;
        self.credentials.keep(&answer.token)
    }

    async fn once<Q, A>(&self, channel: Channel, method: Method, call: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = client(channel);
        let path = PathAndQuery::from_static(method.0);
        let mut request = tonic::Request::new(call);
        self.credentials.show(request.metadata_mut());
        let answer = tokio::time::timeout(self.timeout, async {
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            grpc.unary(request, path, ProstCodec::<Q, A>::default()).await
        });
        answer.await.map_err(|_| self.overdue())?.map(tonic::Response::into_inner)
    }

    fn overdue(&self) -> Status {
        Status::deadline_exceeded(format!("no answer in {} s", self.timeout.as_secs()))
    }
}

fn client(channel: Channel) -> tonic::client::Grpc<Channel> {
    tonic::client::Grpc::new(channel)
        .max_decoding_message_size(usize::MAX)
        .max_encoding_message_size(usize::MAX)
}

fn member(url: &str, tls: Option<&EtcdTls>) -> Result<Channel, StoreError> {
    let bad = |why: String| StoreError::Invalid(format!("the etcd server {url:?} cannot be used: {why}"));
    let secure = url.starts_with("https://");
    if !secure && !url.starts_with("http://") {
        return Err(bad("it starts with neither http:// nor https://".to_owned()));
    }
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|error| bad(error.to_string()))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    if secure {
        let tls = tls.ok_or_else(|| bad("no authority is given to check its certificate".to_owned()))?;
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.authorities));
        if let Some((certificate, key)) = &tls.identity {
            config = config.identity(Identity::from_pem(certificate, key.expose_secret()));
        }
        endpoint = endpoint.tls_config(config).map_err(|error| bad(error.to_string()))?;
    }
    Ok(endpoint.connect_lazy())
}
